"""A number with its 95 % interval: items are resampled, and what was counted of each is added up.

Every metric here is a function of sums over items (hits and cases, true and false positives), so
that a resampled value costs one matrix product; but for `weighted_share`, which has a formula.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
Z = 1.959964  # of the normal distribution, for 95 %
Statistic = Callable[[np.ndarray], np.ndarray]  # sums [..., C] -> values [...]


@dataclass(frozen=True)
class Estimate:
    """low, high: interval of 95 %, a percentile bootstrap's where nothing else is said. items: how
    many were counted. All NaN where there is nothing to divide by."""

    value: float
    low: float
    high: float
    items: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def estimate(counts: np.ndarray, statistic: Statistic) -> Estimate:
    """The statistic of the summed counts, with its interval.

    Args:
        counts: [N, C], what was counted of each item. Items that hang together (questions about
            one image) belong in one row.
        statistic: sums [..., C] -> values [...].
    """
    counts = np.asarray(counts, float)
    number = len(counts)
    if not number:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    drawn = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), RESAMPLES)
    values = statistic(drawn @ counts)
    low, high = (
        np.nanquantile(values, [0.025, 0.975]) if np.isfinite(values).any() else (np.nan,) * 2
    )
    return Estimate(float(statistic(counts.sum(0))), float(low), float(high), number)


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below; NaN where there is nothing below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def share(hits: np.ndarray, cases: np.ndarray) -> Estimate:
    """sum(hits) / sum(cases), both [N]."""
    return estimate(np.stack([hits, cases], 1), lambda sums: divide(sums[..., 0], sums[..., 1]))


def mean(values: np.ndarray) -> Estimate:
    """The mean of values [N]."""
    return share(np.asarray(values, float), np.ones(len(values)))


def effective(weights: np.ndarray) -> float:
    """How many items of equal weights tell as much as these: Kish's (sum w)^2 / sum w^2."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def weighted_share(hits: np.ndarray, weights: np.ndarray) -> Estimate:
    """sum(hits * weights) / sum(weights), both [N], with Wilson's interval at the effective number:
    unlike a bootstrap's, it has a width where all are hits, too."""
    number = effective(weights)
    if not number:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    rate = float((hits * weights).sum() / weights.sum())
    spread = Z * np.sqrt(rate * (1 - rate) / number + Z**2 / (4 * number**2))
    middle, scale = rate + Z**2 / (2 * number), 1 + Z**2 / number
    # of nothing and of all an end is the share itself, but for rounding
    low, high = min(rate, (middle - spread) / scale), max(rate, (middle + spread) / scale)
    return Estimate(rate, float(low), float(high), int(np.count_nonzero(weights)))
