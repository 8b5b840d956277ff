"""How the scores of a filter are spread, and where its thresholds lie."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imgdiff.data.rows import Row
from imgdiff.store.run_info import RunInfo

BINS = 40
MARGIN = 0.05  # share of the range left free on both sides
LEAST_SPREAD = 0.1  # so that a single value still gets an axis


@dataclass(frozen=True)
class Bar:
    """One bin, in shares of the plot's sides. passes: its middle lies within the thresholds."""

    left: float
    width: float
    height: float
    passes: bool
    tip: str


@dataclass(frozen=True)
class Histogram:
    """Values of one score.

    passing: how many lie within the thresholds. lines: (place as a share of the width, value) of
    each threshold in sight. start, end: values at the plot's edges.
    """

    score: str
    operator: str
    count: int
    passing: int
    bars: list[Bar]
    lines: list[tuple[float, float]]
    start: float
    end: float


class Scores:
    """Every score of a run's rows and regions, noted down as the shards pass by."""

    def __init__(self) -> None:
        # (scores or region_scores, name) -> values
        self._values: defaultdict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            for name, value in row.scores.items():
                self._values["scores", name].append(value)
            for region in row.regions:
                for name, value in region.scores.items():
                    self._values["region_scores", name].append(value)

    def histograms(self, info: RunInfo) -> list[Histogram]:
        """One for each score of the operators of `run.json`, in their order."""
        return [
            histogram(
                score,
                operator.name,
                self._values[kind, score],
                operator.thresholds.get(score, (None, None)),
            )
            for operator in info.operators
            for kind, names in (
                ("scores", operator.scores),
                ("region_scores", operator.region_scores),
            )
            for score in names
        ]


def histogram(
    score: str,
    operator: str,
    values: Sequence[float],
    bounds: Sequence[float | None] = (None, None),
) -> Histogram:
    """Bin `values`; the plot reaches to its thresholds. Values that are not finite are left out."""
    finite = np.asarray([value for value in values if math.isfinite(value)], np.float64)
    start, end, limits = _range(finite, [bound for bound in bounds if bound is not None])
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    counts, edges = np.histogram(finite, BINS, (start, end))
    tallest = max(1, int(counts.max()))
    bars = [
        Bar(
            left=k / BINS,
            width=1 / BINS,
            height=int(count) / tallest,
            passes=bool(low <= (edges[k] + edges[k + 1]) / 2 <= high),
            tip=f"{edges[k]:.3g} to {edges[k + 1]:.3g}: {count}",
        )
        for k, count in enumerate(counts)
        if count
    ]
    lines = [((limit - start) / (end - start), limit) for limit in limits]
    passing = int(((low <= finite) & (finite <= high)).sum())
    return Histogram(score, operator, len(finite), passing, bars, lines, start, end)


def _range(values: np.ndarray, limits: Sequence[float]) -> tuple[float, float, list[float]]:
    """The plot's edges and the limits between them; a far one would squeeze the values."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    spread = max(high - low, LEAST_SPREAD)
    near = [limit for limit in limits if low - spread <= limit <= high + spread]
    low, high = min(low, high, *near), max(low, high, *near)
    margin = MARGIN * max(high - low, LEAST_SPREAD)
    return float(low - margin), float(high + margin), near
