"""What operators did to rows, counted: part of a shard's manifest and, added up, of the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """What one operator did: to the rows of a shard, or, added up, to all rows.

    Regions in are those still ok in rows still ok; regions kept likewise, after the operator.
    scores: name -> [lowest, highest] of what it scored.
    """

    name: str
    rows_in: int = 0
    rows_ok: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    regions_in: int = 0
    regions_kept: int = 0
    regions_refused: Counter[str] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the tally of a shard, as its manifest holds it."""
        for key in ("rows_in", "rows_ok", "regions_in", "regions_kept", "seconds"):
            setattr(self, key, getattr(self, key) + values[key])
        for key in ("rejected", "failed", "regions_refused"):
            getattr(self, key).update(values[key])
        for name, span in values["scores"].items():
            self.widen(name, span)

    def widen(self, name: str, values: Sequence[float]) -> None:
        """Take scores into account for the span of `name`."""
        if values:
            both = [*self.scores.get(name, ()), *map(float, values)]
            self.scores[name] = [min(both), max(both)]
