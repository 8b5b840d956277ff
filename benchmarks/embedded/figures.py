"""A measured number with its 95 % interval, the number of cases, and the bar it should pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
Z = 1.959964  # of the normal distribution, for 95 %


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    name: its key in the JSON. meaning: what it says, in words. low, high: 95 % interval; equal to
    the value where there is none. at_least, at_most: the bar, if it has one.
    """

    name: str
    meaning: str
    value: float
    low: float
    high: float
    cases: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def passes(self) -> bool | None:
        """None without a bar."""
        if self.at_least is None and self.at_most is None:
            return None
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    @property
    def bar(self) -> str:
        parts = []
        if self.at_least is not None:
            parts.append(f"≥ {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"≤ {self.at_most:g}")
        return ", ".join(parts)


def share(name: str, meaning: str, hits: Sequence[bool], **bar: float) -> Figure:
    """The share of hits, with Wilson's interval; NaN of no cases."""
    count = len(hits)
    if not count:
        return Figure(name, meaning, float("nan"), float("nan"), float("nan"), 0, **bar)
    rate = float(np.mean(hits))
    spread = Z * np.sqrt(rate * (1 - rate) / count + Z**2 / (4 * count**2))
    middle, scale = rate + Z**2 / (2 * count), 1 + Z**2 / count
    # of nothing and of all an end is the share itself, but for rounding
    low, high = min(rate, (middle - spread) / scale), max(rate, (middle + spread) / scale)
    return Figure(name, meaning, rate, float(low), float(high), count, **bar)


def mean(name: str, meaning: str, values: Sequence[float], **bar: float) -> Figure:
    """The mean, with a bootstrap interval."""
    return bootstrapped(name, meaning, lambda v: float(v.mean()), np.asarray(values, float), **bar)


def ratio(
    name: str, meaning: str, above: Sequence[float], below: Sequence[float], **bar: float
) -> Figure:
    """sum(above) / sum(below), resampled case by case."""
    cases = np.stack([np.asarray(above, float), np.asarray(below, float)], 1)

    def statistic(some: np.ndarray) -> float:
        return float(some[:, 0].sum() / max(some[:, 1].sum(), 1))

    return bootstrapped(name, meaning, statistic, cases, **bar)


def roc_auc(
    name: str, meaning: str, right: Sequence[float], wrong: Sequence[float], **bar: float
) -> Figure:
    """Area under the ROC curve of paired scores: case k has a right and a wrong one."""
    pairs = np.stack([np.asarray(right, float), np.asarray(wrong, float)], 1)

    def statistic(some: np.ndarray) -> float:
        low = np.sort(some[:, 1])
        below = np.searchsorted(low, some[:, 0], "left")
        until = np.searchsorted(low, some[:, 0], "right")
        return float((below + until).mean() / (2 * len(low)))  # a tie counts half

    return bootstrapped(name, meaning, statistic, pairs, **bar)


def bootstrapped(
    name: str,
    meaning: str,
    statistic: Callable[[np.ndarray], float],
    cases: np.ndarray,
    **bar: float,
) -> Figure:
    """A statistic of the cases (first axis), with the interval of its values on resampled cases."""
    if not len(cases):
        return Figure(name, meaning, float("nan"), float("nan"), float("nan"), 0, **bar)
    rng = np.random.default_rng(0)
    drawn = [statistic(cases[rng.integers(len(cases), size=len(cases))]) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])  # some draws may have nothing to compare
    return Figure(name, meaning, statistic(cases), float(low), float(high), len(cases), **bar)


def plain(name: str, meaning: str, value: float, cases: int, **bar: float) -> Figure:
    """A number without an interval: a size, a time."""
    return Figure(name, meaning, value, value, value, cases, **bar)
