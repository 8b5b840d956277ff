"""Limits for a wished precision, from some samples that a person rated right or wrong.

Precision is the share of right ones among the samples that limits keep. Some 60 ratings are too few
to search all limits together: of so many combinations one would look good by chance. So there is
one path, from the run's own limits to strict ones: at each level every limit stands where it
refuses the same share of the samples rated right. A limit whose score does not tell right from
wrong stays where it is. The loosest point of the path is taken whose precision reaches the wish,
with one right and one wrong sample added to those it keeps, as few ratings flatter.

What such a choice is worth is told by ratings that had no part in it: ten times a tenth of the
rated pairs is put aside, limits are chosen by the others, and what these keep of the tenth is
counted. Ratings count by their weights (see `imgdiff.statistics.choice`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imgdiff.errors import RefusedError
from imgdiff.statistics.estimates import Estimate, weighted_share
from imgdiff.statistics.rated import RatedSamples, rated_samples
from imgdiff.statistics.scored import Limit, ScoredSamples

FOLDS = 10
LEAST = 5  # samples rated right, and samples rated wrong
STEPS_ALONE = 24  # values of a limit that is moved alone


@dataclass(frozen=True)
class Kept:
    """What some limits keep.

    limits: [L] strictness. samples: of all in the run. precision: of these, by the ratings.
    """

    limits: np.ndarray
    samples: int
    precision: Estimate


@dataclass(frozen=True)
class LimitAlone:
    """A limit moved alone, the others as in the run: what it keeps at each of its values. moves:
    whether its score tells right from wrong, so that it is moved along the path."""

    limit: Limit
    values: list[float]
    kept: list[Kept]
    moves: bool


@dataclass(frozen=True)
class Calibration:
    """Limits chosen for a precision.

    wished: the precision. right, wrong: how many samples were rated so. path: from the run's own
    limits on. chosen: a place on it. reached: whether it meets the wish; else it is the best there
    is. held_out: the precision of such a choice, by ratings that had no part in it.
    """

    wished: float
    right: int
    wrong: int
    path: list[Kept]
    chosen: int
    reached: bool
    held_out: Estimate
    alone: list[LimitAlone]

    @property
    def best(self) -> Kept:
        """The chosen limits."""
        return self.path[self.chosen]

    @property
    def settings(self) -> dict[str, float]:
        """The chosen limits by their names, as a recipe has them."""
        limits = zip(self.alone, self.best.limits, strict=True)
        return {each.limit.name: each.limit.value(float(value)) for each, value in limits}


def calibrate(
    samples: ScoredSamples, right: Mapping[str, bool], weights: Mapping[str, float], wished: float
) -> Calibration:
    """Choose limits for a wished precision.

    Args:
        samples: all of the run. right: by the ids of the rated ones. weights: likewise, of at least
            those.

    Raises:
        RefusedError: too few are rated right, or wrong.
    """
    rated = rated_samples(samples, right, weights, FOLDS)
    path = rated.path()
    chosen, reached = _choice(rated, path, wished)
    count = len(right), sum(right.values())
    _refuse_few(count[1], count[0] - count[1], chosen == 0 and reached)
    return Calibration(
        wished,
        count[1],
        count[0] - count[1],
        [_kept(samples, rated, limits) for limits in path],
        chosen,
        reached,
        _held_out(rated, wished),
        [
            LimitAlone(limit, *_alone(samples, rated, place), bool(moves))
            for place, (limit, moves) in enumerate(zip(samples.limits, rated.moved(), strict=True))
        ],
    )


def _refuse_few(right: int, wrong: int, nothing_to_do: bool) -> None:
    few = "right" if right < LEAST else "wrong" if wrong < LEAST and not nothing_to_do else ""
    if few:
        text = f"{right} samples are rated right and {wrong} wrong, expected {LEAST} of each"
        raise RefusedError(f"{text}. Choose more pairs and rate them, too: --pairs")


def _choice(rated: RatedSamples, path: np.ndarray, wished: float) -> tuple[int, bool]:
    """The loosest place that meets the wish and True, else the best and False."""
    found = [rated.cautious(limits) for limits in path]
    for place, precision in enumerate(found):
        if precision >= wished:
            return place, True
    return int(np.argmax(found)), False


def _held_out(rated: RatedSamples, wished: float) -> Estimate:
    """The precision of a choice by ratings that had no part in it."""
    kept = np.zeros(len(rated.weights), bool)
    for fold in range(FOLDS):
        others = rated.without(fold)
        path = others.path()
        chosen, _ = _choice(others, path, wished)
        kept |= rated.samples.kept(path[chosen]) & (rated.folds == fold)
    return weighted_share(rated.right, rated.weights * kept)


def _kept(samples: ScoredSamples, rated: RatedSamples, limits: np.ndarray) -> Kept:
    return Kept(limits, int(samples.kept(limits).sum()), rated.precision(limits))


def _alone(
    samples: ScoredSamples, rated: RatedSamples, place: int
) -> tuple[list[float], list[Kept]]:
    limit, now = samples.limits[place], samples.now
    finite = samples.strictness[np.isfinite(samples.strictness[:, place]), place]
    most = np.quantile(finite, 0.98) if len(finite) else now[place]
    lowest = max(now[place], finite.min() if len(finite) else now[place])
    steps = sorted({limit.looser(value) for value in np.linspace(lowest, most, STEPS_ALONE)})
    moved = [np.where(np.arange(len(now)) == place, value, now) for value in steps]
    kept = [_kept(samples, rated, limits) for limits in moved]
    return [limit.value(value) for value in steps], kept
