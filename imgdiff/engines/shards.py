"""One shard through one phase: what a worker of either engine does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgdiff.engines import Phase, Plan, Tally, withhold
from imgdiff.engines.batches import Batches
from imgdiff.engines.crumbs import BLAMED_AFTER, Crumb
from imgdiff.errors import StoppedError
from imgdiff.input import Demand, Part
from imgdiff.models import Models
from imgdiff.models.zoo import Binding
from imgdiff.readers import open_input
from imgdiff.readers.base import Reader
from imgdiff.rows import Row
from imgdiff.shard_files import Manifest, ShardFiles

ANSWERS = "answers"  # in the run folder: what servers have said


@dataclass(frozen=True)
class Task:
    """What a worker has to know of a run.

    number: of the phase. models: role -> checkpoint, for the phase's roles.
    """

    number: int
    phase: Phase
    models: dict[str, Binding]
    demand: Demand
    files: ShardFiles


def tasks(plan: Plan, files: ShardFiles) -> list[Task]:
    """One for each phase that is done shard by shard, in order."""
    recipe = plan.recipe
    demand = Demand(
        recipe.seed, recipe.limits.max_pixels, plan.needed, plan.made, recipe.resize == "fit"
    )
    return [
        Task(
            number,
            phase,
            {role: plan.models[role] for role in phase.roles},
            demand,
            files,
        )
        for number, phase in enumerate(plan.phases)
        if not phase.selects
    ]


class Worker:
    """Does shards of one phase. Models are loaded when the first shard arrives, and kept."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._models = Models(task.models, answers=task.files.path / ANSWERS)
        self._steps: list[Batches] = []
        self._reader: Reader | None = None

    def run(self, shard: int, part: Part) -> Manifest:
        """Take a shard, that part of the input, through the phase and store it.

        Raises:
            StoppedError: a model cannot be loaded, or a GPU stopped working.
        """
        began = time.monotonic()
        number, files = self.task.number, self.task.files
        crumb = Crumb(self._crumb_path(shard))
        with crumb.loading(self.task.phase.name):
            self._set_up()
        rows = files.read(shard, number) if number else self._read(part)
        if crumb.careful:
            tallies = self._one_by_one(rows, crumb)
        else:
            with crumb.shard():
                tallies = [step.run(rows) for step in self._steps]
        withhold(self.task.phase.operators, rows)
        seconds = time.monotonic() - began
        manifest = files.write(number, shard, rows, tallies, seconds)
        crumb.clear()
        return manifest

    def close(self) -> None:
        self._models.close()
        if self._reader:
            self._reader.close()

    def _read(self, part: Part) -> list[Row]:
        """The rows of a part; the input is opened once."""
        self._reader = self._reader or open_input(part.address)
        return part.rows(self.task.demand, self._reader)

    def _crumb_path(self, shard: int) -> Path:
        return self.task.files.folder(self.task.number) / f"{shard:05d}.crumb"

    def _set_up(self) -> None:
        """The phase's operators with their models."""
        if self._steps:
            return
        operators = self.task.phase.operators
        try:
            for operator in operators:
                operator.setup(self._models)
        except (OSError, ValueError) as error:  # what model libraries raise for a bad checkpoint
            name = self.task.phase.name
            raise StoppedError(f"{name}: a model cannot be loaded: {error}") from error
        self._steps = [Batches(operator) for operator in operators]

    def _one_by_one(self, rows: list[Row], crumb: Crumb) -> list[Tally]:
        """Change `rows` in place, each alone, so that a death has one row to blame."""
        tallies = [Tally(step.operator.name) for step in self._steps]
        for place in _suspects_first(rows, crumb):
            alone = rows[place : place + 1]
            for step, tally in zip(self._steps, tallies, strict=True):
                if not alone[0].ok:
                    break
                name = step.operator.name
                if crumb.blamed.get(alone[0].id) == name:
                    tally.add(vars(step.blame(alone, BLAMED_AFTER)))
                else:
                    with crumb.row(alone[0].id, name):
                        tally.add(vars(step.run(alone)))
            rows[place] = alone[0]
        return tallies


def _suspects_first(rows: Sequence[Row], crumb: Crumb) -> list[int]:
    suspects = set(crumb.suspects)
    return sorted(range(len(rows)), key=lambda place: rows[place].id not in suspects)
