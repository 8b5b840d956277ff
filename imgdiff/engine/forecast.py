"""What a start would do in a run folder, told beforehand from what is stored in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgdiff.data.fields import pictures
from imgdiff.data.input import Input
from imgdiff.data.rows import Row
from imgdiff.engine.replay import Replay, trusting
from imgdiff.recipe.plan import Plan
from imgdiff.store.run_dir import RunDir
from imgdiff.store.shard_files import Stored


@dataclass
class Forecast:
    """Of one phase.

    reused, decided, begun: shards that stay, whose stored scores are decided again, and of which
    nothing is stored. changed: rows that end otherwise, by their stored scores alone. run: rows
    that go through operators; some may yet be refused before they come to this phase.
    """

    phase: str
    reused: int = 0
    decided: int = 0
    begun: int = 0
    changed: int = 0
    run: int = 0


def forecast(plan: Plan, folder: RunDir, source: Input) -> list[Forecast]:
    """For every phase, in order. No model is loaded and no picture read."""
    forecasts = [Forecast(phase.name) for phase in plan.phases]
    replays = [Replay(phase.operators, retry=folder.files.retry) for phase in plan.phases]
    unread = pictures(folder.info.known_fields)
    for shard in range(folder.shard_count):
        rows: list[Row] | None = None
        unknown = 0  # rows of which it is open how they come to the phase
        for number, each in enumerate(forecasts):
            if folder.is_done(number, shard):
                each.reused += 1
                continue
            manifest, stored = folder.files.stored(number, shard, unread)
            if rows is None and number:
                rows = folder.files.read(shard, number, unread)
            elif rows is None:
                start, stop = folder.span(shard)
                rows = _given(source.ids[start:stop], stored)
                unknown = stop - start - len(rows)
            each.decided += bool(manifest)
            each.begun += not manifest
            if plan.phases[number].selects:
                continue
            again = replays[number].run(rows, stored, trusting(rows, stored))
            known = [
                row
                for row, start in zip(again.rows, again.starts, strict=True)
                if not row.ok or start == len(plan.phases[number].operators)
            ]
            unknown += len(rows) - len(known)
            each.run += unknown
            each.changed += sum(_ends_otherwise(row, stored) for row in known)
            rows = known
    return forecasts


def _given(ids: Sequence[str], stored: Stored) -> list[Row]:
    """Rows as the reader gave them, as far as the first phase has had them."""
    known = [stored.rows[id_] for id_ in ids if id_ in stored.rows]
    return [Row(row.id, row.seed) if row.id in stored.marks else row for row in known]


def _ends_otherwise(row: Row, stored: Stored) -> bool:
    before = stored.rows.get(row.id)
    if before is None:
        return False
    regions = zip(row.regions, before.regions, strict=False)
    return row.ok != before.ok or any(now.status != then.status for now, then in regions)
