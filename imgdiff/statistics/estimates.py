"""A number with its 95 % interval: items are resampled, and what was counted of each is added up.

Every metric here is a function of sums over items (hits and cases, true and false positives), so
that a resampled value costs one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
Statistic = Callable[[np.ndarray], np.ndarray]  # sums [..., C] -> values [...]


@dataclass(frozen=True)
class Estimate:
    """low, high: percentile bootstrap interval, 95 %. items: how many were resampled. All NaN where
    there is nothing to divide by."""

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
