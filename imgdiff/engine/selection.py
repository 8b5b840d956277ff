"""The last phase of a recipe with selectors: what is decided across the rows of the whole run."""

import threading
import time
from collections.abc import Sequence

from imgdiff.console.progress import Progress
from imgdiff.data.fields import pictures
from imgdiff.data.rows import Row
from imgdiff.data.storable import Checks, checks_of
from imgdiff.engine.batches import Batches
from imgdiff.engine.faults import explained, raise_what_stops, set_up
from imgdiff.engine.signs import ShardSigns
from imgdiff.errors import StoppedError
from imgdiff.models import Models
from imgdiff.operator import Selector
from imgdiff.recipe.plan import Plan
from imgdiff.store.run_dir import RunDir
from imgdiff.store.tally import Tally


def select(plan: Plan, folder: RunDir, progress: Progress, stop: threading.Event) -> None:
    """Put the rows of complete shards to the recipe's selectors, if it has any.

    One process does it, in the order of the input, whatever engine has run before. Shards that were
    selected in an earlier run keep their endings: what is new comes after them.

    Raises:
        StoppedError: `stop` was set, or the disk is nearly full.
    """
    number, phase = len(plan.phases) - 1, plan.phases[-1]
    todo = folder.todo(number)  # with a shard go all that come after it
    if not phase.selects or not todo:
        return
    reads = {name for operator in phase.operators for name in operator.reads}
    unread = pictures(folder.info.known_fields) - reads
    selectors = [op.fresh() for op in phase.operators if isinstance(op, Selector)]
    selection = Selection(selectors, checks_of(folder.info.fields))
    progress.begin_phase(phase.name, folder.shard_count, folder.row_count, folder.manifests(number))
    for shard in range(todo[0]):
        selection.remember(folder.files.read(shard, number + 1, unread))
    for shard in todo:
        if stop.is_set():
            raise StoppedError(folder.where_it_stands())
        folder.check_space(number)
        began = time.monotonic()
        rows = folder.files.read(shard, number, unread)
        said = ShardSigns(progress.say, phase.name, shard, len(rows), selectors)
        tallies = selection.run(rows, said)
        manifest = folder.write_shard(number, shard, rows, tallies, time.monotonic() - began)
        progress.end_shard(phase.name, shard, manifest)


class Selection:
    """Selectors at work. A row counts as kept when all of them have let it pass."""

    def __init__(self, selectors: Sequence[Selector], checks: Checks | None = None) -> None:
        set_up(Selector.stage, selectors, Models({}))
        self._selectors = selectors
        self._steps = [Batches(selector, checks) for selector in selectors]

    def run(self, rows: list[Row], signs: ShardSigns | None = None) -> list[Tally]:
        """Replace the rows that are still ok by what the selectors make of them, one by one."""
        tallies = [Tally(selector.name) for selector in self._selectors]
        for place in range(len(rows)):
            alone = rows[place : place + 1]
            for number, (step, tally) in enumerate(zip(self._steps, tallies, strict=True)):
                heard = signs.of_row(number, place, len(rows)) if signs else None
                tally.add(vars(step.run(alone, heard)))
            rows[place] = alone[0]
            self.remember(alone)
        return tallies

    def remember(self, rows: Sequence[Row]) -> None:
        """Take note of the rows that were kept.

        Raises:
            StoppedError: a selector cannot: what it knows then fits no ending of the row.
        """
        for row in rows:
            for selector in self._selectors if row.ok else ():
                try:
                    selector.keep(row)
                except BaseException as error:
                    raise_what_stops(selector.name, error)
                    text = f"cannot keep row {row.id}: {explained(error)[1]}"
                    raise StoppedError(f"{selector.name}: {text}") from error
