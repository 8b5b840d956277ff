"""The local engine: one process, phase after phase, with the models of one phase in memory."""

import threading
import time
from contextlib import closing

from imgdiff.engines import Phase, Plan
from imgdiff.engines.batches import Batches
from imgdiff.errors import StoppedError
from imgdiff.input import Demand, Input
from imgdiff.models import Models
from imgdiff.progress import Progress
from imgdiff.run_dir import RunDir


def run(
    plan: Plan, source: Input, folder: RunDir, progress: Progress, stop: threading.Event
) -> None:
    """Do every shard that is to do; the one in hand is finished when `stop` is set.

    Raises:
        StoppedError: `stop` was set, a model cannot be loaded, or the disk is nearly full.
    """
    for number, phase in enumerate(plan.phases):
        progress.begin_phase(phase.name, folder.shard_count, folder.manifests(number))
        if not folder.todo(number):
            continue
        _go_on(folder, stop)
        with closing(Models({role: plan.models[role] for role in phase.roles})) as models:
            steps = _set_up(phase, models)
            for shard in folder.todo(number):
                _go_on(folder, stop)
                folder.check_space(number)
                _run_shard(plan, source, folder, progress, steps, (number, shard))


def _go_on(folder: RunDir, stop: threading.Event) -> None:
    if stop.is_set():
        counts = f"{folder.done_count} of {folder.total_count} shards are safe"
        raise StoppedError(f"{counts}. Run again to resume.")


def _set_up(phase: Phase, models: Models) -> list[Batches]:
    """The phase's operators with their models."""
    try:
        for operator in phase.operators:
            operator.setup(models)
    except (OSError, ValueError) as error:  # what model libraries raise for a bad checkpoint
        raise StoppedError(f"{phase.name}: a model cannot be loaded: {error}") from error
    return [Batches(operator) for operator in phase.operators]


def _run_shard(
    plan: Plan,
    source: Input,
    folder: RunDir,
    progress: Progress,
    steps: list[Batches],
    place: tuple[int, int],
) -> None:
    """Take a shard, `place` = (phase, shard), through the operators of the phase."""
    phase, shard = place
    began = time.monotonic()
    if phase:
        rows = folder.rows(shard, phase)
    else:
        limits = plan.recipe.limits
        demand = Demand(plan.recipe.seed, limits.max_pixels, plan.needed, plan.made)
        rows = source.rows(*folder.span(shard), demand)
    tallies = [step.run(rows) for step in steps]
    seconds = time.monotonic() - began
    manifest = folder.write_shard(phase, shard, rows, tallies, seconds)
    progress.end_shard(shard, rows, manifest)
