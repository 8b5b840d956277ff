"""The local engine: one process, phase after phase, with the models of one phase in memory.

What the next phase uses too stays: it would have to be in memory there anyway. A shard at which
this process has died, or whose rows must not take longer than the recipe says, is done in a process
of its own.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

from imgdiff.console.progress import Progress
from imgdiff.console.signs import Doing, Say
from imgdiff.data.input import Input
from imgdiff.engine.child import ChildWorker
from imgdiff.engine.libraries import import_libraries
from imgdiff.engine.shards import Task, Worker, models_of, tasks
from imgdiff.errors import StoppedError
from imgdiff.models import Models
from imgdiff.recipe.plan import Plan
from imgdiff.store.run_dir import RunDir


def run(
    plan: Plan, source: Input, folder: RunDir, progress: Progress, stop: threading.Event
) -> None:
    """Do every shard that is to do; the one in hand is finished when `stop` is set.

    Raises:
        StoppedError: `stop` was set, a library or a model cannot be loaded, or the disk is nearly
            full.
    """
    todo = tasks(plan, folder.files)
    progress.say(Doing("importing libraries"))
    for task in (task for task in todo if folder.is_fresh(task.number)):
        import_libraries(task.phase, task.models)
    models = models_of(plan.models, folder.files, progress.say)
    for place, task in enumerate(todo):
        number, name = task.number, task.phase.name
        progress.begin_phase(name, folder.shard_count, folder.row_count, folder.manifests(number))
        shards = folder.todo(number)
        apart = [shard for shard in shards if task.row_seconds or task.record(shard).careful]
        for worker, mine in _workers(task, models, shards, apart, progress.say):
            for shard in mine:
                if stop.is_set():
                    raise StoppedError(folder.where_it_stands())
                folder.check_space(number)
                manifest = worker.run(shard, source.part(*folder.span(shard)))
                folder.complete(number, shard, manifest)
                progress.end_shard(name, shard, manifest)
        following = todo[place + 1].models if place + 1 < len(todo) else {}
        models.release(kept=following)


def _workers(
    task: Task, models: Models, shards: Sequence[int], apart: Sequence[int], say: Say
) -> Iterator[tuple[Worker | ChildWorker, Sequence[int]]]:
    """Workers with their shards. Those that need a process `apart` come first: two processes do not
    have models in memory at one time."""
    if apart:
        models.release()
        with closing(ChildWorker(task, say=say)) as child:
            yield child, apart
    if rest := [shard for shard in shards if shard not in apart]:
        with closing(Worker(task, models, say)) as worker:
            yield worker, rest
