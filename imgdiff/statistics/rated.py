"""Samples that a person rated right or wrong, and limits told by them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from imgdiff.statistics.estimates import Estimate, effective, weighted_share
from imgdiff.statistics.scored import ScoredSamples

LEVELS = np.arange(26) / 50  # share of the right samples that each limit refuses, at most
TENTH, QUARTER = 0.1, 0.25  # of the right ones, and of the wrong ones
ENOUGH = 8  # rated samples that limits have to keep for their precision to be told


@dataclass(frozen=True)
class RatedSamples:
    """right: [N] bool. weights: [N] float, how many samples each stands for; 0 for samples of the
    same pairs that are not rated. folds: [N] int, the part that a pair falls into."""

    samples: ScoredSamples
    right: np.ndarray
    weights: np.ndarray
    folds: np.ndarray

    def without(self, fold: int) -> "RatedSamples":
        return replace(self, weights=self.weights * (self.folds != fold))

    def precision(self, limits: np.ndarray) -> Estimate:
        """The share of right ones among those that limits ([L] strictness) keep."""
        return weighted_share(self.right, self.weights * self.samples.kept(limits))

    def cautious(self, limits: np.ndarray) -> float:
        """The precision with one right and one wrong sample more (Laplace's rule of succession);
        0 of too few to tell."""
        weights = self.weights * self.samples.kept(limits)
        if np.count_nonzero(weights) < ENOUGH:
            return 0.0
        number, share = effective(weights), weighted_share(self.right, weights).value
        return (share * number + 1) / (number + 2)

    def moved(self) -> np.ndarray:
        """Limits whose scores tell right from wrong, [L] bool: what refuses a tenth of the right
        ones refuses a quarter of the wrong ones."""
        wrong = self.weights * ~self.right
        tenth = self._refusing(TENTH)
        refused = (self.samples.strictness < tenth) * wrong[:, None]
        return np.asarray(refused.sum(0) >= QUARTER * wrong.sum())

    def path(self) -> np.ndarray:
        """[P, L] strictness: the run's own limits, then those of each level, ever stricter."""
        now, moved = self.samples.now, self.moved()
        points = [now, *(np.where(moved, self._refusing(level), now) for level in LEVELS)]
        return np.unique(points, axis=0)

    def _refusing(self, share: float) -> np.ndarray:
        """[L] strictness, the strictest that refuses at most that share of the right samples."""
        weights = self.weights * self.right
        return np.array(
            [
                limit.looser(_quantile(values, weights, share, limit.sign * limit.now))
                for limit, values in zip(
                    self.samples.limits, self.samples.strictness.T, strict=True
                )
            ]
        )


def rated_samples(
    samples: ScoredSamples, right: Mapping[str, bool], weights: Mapping[str, float], folds: int
) -> RatedSamples:
    """By the ids of samples; pairs fall into `folds` parts in turn."""
    pairs = [
        row
        for row, numbers in samples.by_row.items()
        if any(samples.samples[n].id in right for n in numbers)
    ]
    some = samples.of_rows(pairs)
    part = {row: k % folds for k, row in enumerate(pairs)}
    ids = [sample.id for sample in some.samples]
    return RatedSamples(
        some,
        np.array([right.get(id_, False) for id_ in ids]),
        np.array([weights[id_] if id_ in right else 0.0 for id_ in ids]),
        np.array([part[sample.row.id] for sample in some.samples]),
    )


def _quantile(values: np.ndarray, weights: np.ndarray, share: float, least: float) -> float:
    """The largest value below which at most that share of the weights lies; `least` if none is."""
    counted = weights > 0
    order = np.argsort(values[counted], kind="stable")
    values, shares = values[counted][order], weights[counted][order].cumsum()
    if not len(values):
        return least
    place = np.searchsorted(shares, share * shares[-1] * (1 + 1e-9), side="right")
    value = float(values[min(place, len(values) - 1)])
    return value if np.isfinite(value) else least
