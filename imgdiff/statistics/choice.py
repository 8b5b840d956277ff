"""Which samples a person rates: spread across the scores, each with the weight it stands for."""

import numpy as np

from imgdiff.statistics.scored import ScoredSamples

BINS = 10  # of a score, equally wide
FAR = 0.02  # share of the samples beyond the first and the last bin's middle
SPREAD = 0.75  # share of the choice that is even across scores; the rest is even across samples


def choose(samples: ScoredSamples, count: int, seed: int = 0) -> dict[str, float]:
    """Samples to be rated, at most one of a pair, with their weights: how many samples each stands
    for, so that a weighted share of them estimates the share of all.

    A quarter of the choice is drawn as the samples lie; the rest evenly across the values of every
    limited score, so that few ratings see what is rare there, too. The same run and seed give the
    same choice.
    """
    pairs = list(samples.by_row.values())
    rates = _rates(samples.strictness)
    of_pairs = np.array([rates[numbers].sum() for numbers in pairs])
    drawn_with = _probabilities(of_pairs, min(count, len(pairs)))
    weakest = _ranks(samples.strictness).min(1)
    order = np.argsort([weakest[numbers].max() for numbers in pairs], kind="stable")
    random = np.random.default_rng(seed)
    chosen = {}
    for place in order[_steps(drawn_with[order], random)]:
        numbers = pairs[place]
        share = rates[numbers] / of_pairs[place]
        k = int(random.choice(len(numbers), p=share))
        chosen[samples.samples[numbers[k]].id] = float(1 / (drawn_with[place] * share[k]))
    return chosen


def _rates(strictness: np.ndarray) -> np.ndarray:
    """How often each sample should be drawn, relative to the others: [N] float."""
    number, limits = strictness.shape
    even = np.zeros(number)
    for values in strictness.T:
        bins = _binned(values)
        counts = np.bincount(bins, minlength=BINS + 1)
        even += 1 / (counts[bins] * np.count_nonzero(counts) * limits)
    return (1 - SPREAD) / number + SPREAD * even


def _ranks(strictness: np.ndarray) -> np.ndarray:
    """[N, L] int, how many samples each limit would refuse before this one."""
    return np.stack([np.searchsorted(np.sort(column), column) for column in strictness.T], axis=1)


def _binned(values: np.ndarray) -> np.ndarray:
    """The bin of each value, [N] int; those that nothing limits have one of their own."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [FAR, 1 - FAR]) if len(finite) else (0.0, 1.0)
    places = (np.where(np.isfinite(values), values, low) - low) / ((high - low) or 1.0)
    return np.where(np.isfinite(values), np.clip(places * BINS, 0, BINS - 1), BINS).astype(int)


def _probabilities(rates: np.ndarray, count: int) -> np.ndarray:
    """[P] float in (0, 1], in proportion to the rates and `count` in all; what would be above 1 is
    1, and the others share the rest."""
    sure = np.zeros(len(rates), bool)
    while True:
        left = rates[~sure].sum()
        found = np.where(sure, 1.0, rates * ((count - sure.sum()) / (left or 1.0)))
        if not (found > 1).any():
            return found
        sure |= found >= 1


def _steps(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Systematic sampling: steps of 1 along the summed probabilities, from a random start, so that
    the choice is spread along their order, too."""
    ends = np.cumsum(probabilities)
    ends[-1] = round(ends[-1])  # but for rounding it is whole
    return np.searchsorted(ends, np.arange(ends[-1]) + random.random(), side="right")
