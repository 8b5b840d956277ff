"""How far one phase of a run is, by the shards that are stored and by the signs of its workers."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from imgdiff.console.durations import duration
from imgdiff.console.signs import Advanced

LEAST_SECONDS = 1.0  # of work, before anything is told from its pace


class PhaseProgress:
    """Counts rows. The pace is that of this start alone, from the first sign of work on."""

    def __init__(
        self, name: str, shards: int, rows: int, done: Sequence[Mapping[str, Any]]
    ) -> None:
        """done: manifests of the shards, of `shards` with `rows` rows, that are complete."""
        self.name, self.shards, self.rows = name, shards, rows
        self.done = len(done)
        self.counts: Counter[str] = Counter()
        for manifest in done:
            self.counts.update(manifest["counts"])
        self._before = self.counts.total()
        self._began: float | None = None
        self._in_hand: dict[int, Advanced] = {}
        self._failed: Counter[int] = Counter()  # by shard in hand

    def advance(self, sign: Advanced) -> None:
        self._began = self._began or time.monotonic()
        self._in_hand[sign.shard] = sign

    def fail(self, shard: int) -> None:
        self._failed[shard] += 1

    def end_shard(self, shard: int, counts: Mapping[str, int]) -> None:
        self._began = self._began or time.monotonic()
        self._in_hand.pop(shard, None)
        self._failed.pop(shard, None)
        self.done += 1
        self.counts.update(counts)

    @property
    def rows_through(self) -> float:
        """Rows that have come through, those in hand by the share of their work that is done."""
        return self.counts.total() + sum(each.share * each.rows for each in self._in_hand.values())

    @property
    def is_complete(self) -> bool:
        return self.done >= self.shards

    @property
    def endings(self) -> str:
        """`12 kept, 3 refused, 1 failed`."""
        failed = self.counts["failed"] + self._failed.total()
        counts = f"{self.counts['ok']} kept, {self.counts['rejected']} refused"
        return f"{counts}, {failed} failed" if failed else counts

    @property
    def pace(self) -> str:
        """`0.5 rows a second, 1 min 5 s so far, about 2 min 3 s left`; empty if too early to say,
        without the last where all is done."""
        spent = time.monotonic() - self._began if self._began else 0.0
        gone = self.rows_through - self._before
        if spent < LEAST_SECONDS or gone <= 0:
            return ""
        rate = gone / spent
        text = f"{rate:.2g} rows a second, {duration(spent)} so far"
        left = self.rows - self.rows_through
        return f"{text}, about {duration(left / rate)} left" if left > 0 else text

    @property
    def in_hand(self) -> str:
        """`shard 1: 5 of 16 rows through sdxl_prompt2prompt_mapper`, of the latest, and how many
        others are under way; empty if none is."""
        if not self._in_hand:
            return ""
        sign = list(self._in_hand.values())[-1]
        others = len(self._in_hand) - 1
        text = f"shard {sign.shard}: {sign.done} of {sign.waiting} rows through {sign.operator}"
        return f"{text}, and {others} more" if others else text

    @property
    def line(self) -> str:
        """All of it, as one line of text."""
        rows = f"{int(self.rows_through)} of {self.rows} rows"
        return "; ".join(filter(None, [f"{self.name}: {rows}", self.in_hand, self.pace]))
