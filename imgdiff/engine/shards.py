"""One shard through one phase: what a worker of either engine does."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from types import MappingProxyType

from imgdiff.console.signs import Say, silent
from imgdiff.data.input import Demand, InputPart
from imgdiff.data.readers import open_input
from imgdiff.data.readers.base import Reader
from imgdiff.data.rows import Row
from imgdiff.data.storable import checks_of
from imgdiff.engine.batches import Batches, unwatched
from imgdiff.engine.faults import set_up
from imgdiff.engine.recovery import BLAMED_AFTER, RecoveryRecord
from imgdiff.engine.replay import Replay, Replayed, mark
from imgdiff.engine.signs import ShardSigns
from imgdiff.models import Models
from imgdiff.models.zoo import Binding
from imgdiff.operator import Filter, Operator
from imgdiff.recipe.plan import Phase, Plan
from imgdiff.store.shard_files import Manifest, ShardFiles


@dataclass(frozen=True)
class Task:
    """What a worker has to know of a run.

    number: of the phase. models: role -> checkpoint, for the phase's roles. start: of the driver,
    another one each time. row_seconds: the longest that an operator may take for a row, None if any
    time. node: the machine of a cluster that it is worked on.
    """

    number: int
    phase: Phase
    models: dict[str, Binding]
    demand: Demand
    files: ShardFiles
    start: str
    row_seconds: float | None = None
    node: str = ""

    def record(self, shard: int) -> RecoveryRecord:
        """What is noted about the attempts at a shard."""
        return RecoveryRecord(self.files.store, self.record_name(shard), self.start, self.node)

    def record_name(self, shard: int) -> str:
        return self.files.name(self.number, shard, "recovery")


def tasks(plan: Plan, files: ShardFiles) -> list[Task]:
    """One for each phase that is done shard by shard, in order."""
    start = token_hex(4)
    return [
        Task(
            number,
            phase,
            {role: plan.models[role] for role in phase.roles},
            plan.demand,
            files,
            start,
            plan.recipe.limits.max_row_seconds,
        )
        for number, phase in enumerate(plan.phases)
        if not phase.selects
    ]


def models_of(bindings: Mapping[str, Binding], files: ShardFiles, say: Say) -> Models:
    """The models of a run or of a phase, not yet loaded."""
    return Models(bindings, files.store, say)


class Worker:
    """Does shards of one phase. Models are loaded when a row first asks for them; `close` drops the
    operators that hold them."""

    def __init__(
        self,
        task: Task,
        models: Models | None = None,
        say: Say = silent,
        watch: Callable[[str, Sequence[Row]], None] = unwatched,
    ) -> None:
        """models: where those of the phase come from, and stay; None: its own. say: called with
        every sign of life. watch: is told which rows an operator has in hand."""
        self.task, self._say = task, say
        self._models = models or models_of(task.models, task.files, say)
        self._reader: Reader | None = None
        self._operators = [operator.fresh() for operator in task.phase.operators]
        checks = checks_of(task.files.info.fields)
        self._steps = [Batches(operator, checks, watch) for operator in self._operators]
        self._replay = Replay(self._operators, checks=checks, retry=task.files.retry)
        self._seconds = [0.0] * len(self._steps)  # of each operator, in the shards so far
        self._is_set_up = False

    def run(
        self, shard: int, part: InputPart, too_slow: Mapping[str, str] = MappingProxyType({})
    ) -> Manifest:
        """Take a shard, that part of the input, through the phase and store it.

        too_slow: row id -> operator that has taken too long for it.

        Rows that the same operators have had before, as they come now, are not run again: what is
        stored of them is decided by the thresholds of now.

        Raises:
            StoppedError: no row is to blame for what went wrong, see `imgdiff.engine.faults`.
        """
        record = self.task.record(shard)
        with record.shard():
            manifest = self._run(shard, part, record, too_slow)
        record.clear()
        return manifest

    def _run(
        self, shard: int, part: InputPart, record: RecoveryRecord, too_slow: Mapping[str, str]
    ) -> Manifest:
        began = time.monotonic()
        number, files = self.task.number, self.task.files
        rows = files.read(shard, number) if number else self._read(part)
        phase = self.task.phase.name
        signs = ShardSigns(self._say, phase, shard, len(rows), self._operators, self._seconds)
        if not number:
            signs.failed(rows)  # those that could not be read
        marks = {row.id: mark(row) for row in rows if row.ok}
        manifest, stored = files.stored(number, shard)
        again = self._replay.run(rows, stored, marks)
        for tally, before in zip(again.tallies, manifest.get("operators", ()), strict=False):
            tally.seconds = before["seconds"]  # they are part of what the rows have cost
        waiting = [
            place
            for place, row in enumerate(again.rows)
            if row.ok and again.starts[place] < len(self._steps)
        ]
        if waiting:
            with record.loading(phase):
                self._set_up()
            if record.careful:
                self._one_by_one(again, waiting, record, signs, too_slow)
            else:
                self._together(again, waiting, signs)
        remove_screened(self.task.phase.operators, again.rows)
        seconds = manifest.get("seconds", 0.0) + time.monotonic() - began
        versions = manifest.get("versions", {})
        if waiting or not manifest:
            kept = any(again.starts[place] for place, row in enumerate(rows) if row.id in marks)
            versions = files.versions(versions if kept else None)
        return files.write(number, shard, again.rows, again.tallies, seconds, marks, versions)

    def close(self) -> None:
        """Let go of the models, and end the reading. It works no more after that."""
        del self._operators, self._steps, self._replay, self._models
        if self._reader:
            self._reader.close()

    def _read(self, part: InputPart) -> list[Row]:
        """The rows of a part; the input is opened once."""
        self._reader = self._reader or open_input(part.address)
        return part.rows(self.task.demand, self._reader)

    def _set_up(self) -> None:
        """The phase's operators with their models."""
        if not self._is_set_up:
            set_up(self.task.phase.name, self._operators, self._models)
            self._is_set_up = True

    def _together(self, work: Replayed, waiting: Sequence[int], signs: ShardSigns) -> None:
        """Run the rows at the places `waiting`, in place, each from where it has to start."""
        for number, step in enumerate(self._steps):
            places = [place for place in waiting if work.starts[place] <= number]
            rows = [work.rows[place] for place in places]
            done = step.run(rows, signs.of_step(number))
            work.tallies[number].add(vars(done))
            self._seconds[number] += done.seconds
            for place, row in zip(places, rows, strict=True):
                work.rows[place] = row

    def _one_by_one(
        self,
        work: Replayed,
        waiting: Sequence[int],
        record: RecoveryRecord,
        signs: ShardSigns,
        too_slow: Mapping[str, str],
    ) -> None:
        """The same with each row alone, so that a death has one row to blame."""
        suspects = set(record.suspects)
        places = sorted(waiting, key=lambda place: work.rows[place].id not in suspects)
        for count, place in enumerate(places):
            alone = [work.rows[place]]
            for number in range(work.starts[place], len(self._steps)):
                if not alone[0].ok:
                    break
                step, id_ = self._steps[number], alone[0].id
                name = step.operator.name
                if record.blamed.get(id_) == name:
                    text = f"the worker died {BLAMED_AFTER} times while on this row alone"
                    done = step.blame(alone, "worker_died", text)
                    signs.failed(alone)
                elif too_slow.get(id_) == name:
                    text = f"took longer than limits.max_row_seconds, {self.task.row_seconds:g}"
                    done = step.blame(alone, "too_slow", text)
                    signs.failed(alone)
                else:
                    with record.row(id_, name):
                        done = step.run(alone, signs.of_row(number, count, len(places)))
                work.tallies[number].add(vars(done))
            work.rows[place] = alone[0]


def remove_screened(operators: Sequence[Operator], rows: Iterable[Row]) -> None:
    """Take from rows what must not be stored: the fields that a filter screens, unless it let the
    row pass. `operators` are those of the phase that has just run."""
    for number, operator in enumerate(operators):
        screened = operator.screens if isinstance(operator, Filter) else ()
        passed = {later.name for later in operators[number + 1 :]}  # who may have ended it then
        for row in rows:
            if not row.ok and row.reason.partition(":")[0] not in passed:
                for name in screened:
                    row.values.pop(name, None)
