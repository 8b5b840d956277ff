"""The Ray engine: a pool of workers for each phase, shards flowing from one to the next.

Ray Data moves the numbers of shards; rows and pictures go through the run folder, which every
worker sees. A dead worker is started again by Ray and finds its recovery record
(`imgdiff.engine.recovery`): what bounds the attempts is what was in hand at a death, not how often
something was killed from outside.
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
import ray.cloudpickle
import ray.data
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from imgdiff.console.progress import Progress
from imgdiff.console.signs import Doing
from imgdiff.data.input import Input
from imgdiff.engine.child import ChildWorker
from imgdiff.engine.libraries import import_libraries
from imgdiff.engine.placement import in_sentences, needs_of, placed
from imgdiff.engine.ray_errors import carried, cause
from imgdiff.engine.ray_signs import Sender, make_board, show
from imgdiff.engine.recovery import forgive
from imgdiff.engine.shards import Task, Worker, tasks
from imgdiff.errors import BrokenDeviceError, StoppedError
from imgdiff.models.machine import gpus
from imgdiff.models.sizes import size_of
from imgdiff.models.zoo import Checkpoint
from imgdiff.operator import OUTSIDE
from imgdiff.recipe.plan import Plan
from imgdiff.recipe.schema import WorkerPool
from imgdiff.store.interface import Store, content_of, json_of
from imgdiff.store.run_dir import RunDir

STOP = "stop"  # in the store: while it is there, no shard is begun
PROBE = "probe"  # in the store: by it, every machine shows that it sees what others write
LOOK_SECONDS = 0.5  # between two looks at what the workers have stored
CONNECT_SECONDS = 10.0
log = logging.getLogger(__name__)


def run(
    plan: Plan, source: Input, folder: RunDir, progress: Progress, stop: threading.Event
) -> None:
    """Do every shard that is to do; those in hand are finished when `stop` is set.

    Raises:
        StoppedError: `stop` was set, a phase asks for more than the cluster has, a machine does not
            see the run folder, a model cannot be loaded, or the disk is nearly full.
    """
    folder.store.delete(STOP)
    progress.say(Doing("connecting to Ray"))
    with _connected(plan.recipe.ray_address):
        gpu_bytes = _check_shared(folder.store)
        watch = Watch(folder, progress)
        for group in _grouped(plan, tasks(plan, folder.files), gpu_bytes):
            for task, _ in group:
                watch.begin(task.number)
            progress.say(Doing(f"starting workers of {_names(group)}"))
            _flow(group, source, folder, watch, stop)
            if stop.is_set():
                raise StoppedError(folder.where_it_stands())


def _names(group: Sequence[tuple[Task, WorkerPool]]) -> str:
    return ", ".join(task.phase.name for task, _ in group)


class PhaseWorker:
    """What Ray Data calls with the number of a shard. Models are loaded with the first one."""

    def __init__(self, task: Task, board: Any) -> None:
        try:
            import_libraries(task.phase, task.models)
        except StoppedError as error:
            raise carried(error, task.phase.name) from None
        self.task = replace(task, node=ray.get_runtime_context().get_node_id())
        dumps, say = ray.cloudpickle.dumps, Sender(board)
        limited = task.row_seconds is not None
        self.worker: ChildWorker | Worker = (
            ChildWorker(self.task, dumps, say) if limited else Worker(self.task, say=say)
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """batch: one shard, [1] each: its number, its part of the input, and the first phase that
        is to do."""
        shard, first, part = int(batch["shard"][0]), int(batch["first"][0]), batch["part"][0]
        is_stopped = content_of(self.task.files.store, STOP) is not None
        if self.task.number >= first and not is_stopped:
            lost = {node["NodeID"] for node in ray.nodes() if not node["Alive"]}
            forgive(self.task.files.store, self.task.record_name(shard), lost)
            try:
                self.worker.run(shard, part)
            except BrokenDeviceError:
                os._exit(1)  # a fresh process may go on; the recovery record says what was in hand
            except Exception as error:
                place = f"{self.task.phase.name}, shard {shard}"
                raise carried(error, place) from None
        return batch


class Watch:
    """Takes note of what workers have stored, by looking into the store."""

    def __init__(self, folder: RunDir, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self.board = make_board()  # what the workers say of themselves
        self._begun: list[int] = []
        self._stale: dict[tuple[int, int], str] = {}  # files that do not count, as the run began
        self._attempts: dict[tuple[int, int], int] = {}

    def begin(self, phase: int) -> None:
        """Follow a phase from now on."""
        name = self._folder.info.phases[phase].name
        folder = self._folder
        self._progress.begin_phase(
            name, folder.shard_count, folder.row_count, folder.manifests(phase)
        )
        for shard in self._folder.todo(phase):
            manifest = self._folder.files.manifest(phase, shard)
            if manifest:
                self._stale[phase, shard] = manifest["file"]
        self._begun.append(phase)

    def look(self) -> None:
        show(self.board, self._progress)
        files = self._folder.files
        for phase in self._begun:
            names = set(files.store.list(files.folder(phase)))
            for shard in self._folder.todo(phase):
                if files.name(phase, shard, "json") in names:
                    self._note_done(phase, shard)
                elif (record := files.name(phase, shard, "recovery")) in names:
                    self._note_deaths(phase, shard, json_of(files.store, record) or {})

    def _note_done(self, phase: int, shard: int) -> None:
        manifest = self._folder.files.manifest(phase, shard)
        if (
            manifest
            and manifest["file"] != self._stale.get((phase, shard))
            and self._folder.files.is_of_recipe(manifest, phase)  # no late worker's of before
        ):
            self._folder.complete(phase, shard, manifest)
            name = self._folder.info.phases[phase].name
            self._progress.end_shard(name, shard, manifest)

    def _note_deaths(self, phase: int, shard: int, record: dict[str, Any]) -> None:
        attempt = record.get("attempt", 1)
        if attempt > self._attempts.setdefault((phase, shard), 1):
            self._attempts[phase, shard] = attempt
            name = self._folder.info.phases[phase].name
            log.warning("%s, shard %d: its worker died; attempt %d", name, shard, attempt)


def _flow(
    group: Sequence[tuple[Task, WorkerPool]],
    source: Input,
    folder: RunDir,
    watch: Watch,
    stop: threading.Event,
) -> None:
    """Send the shards through the phases of a group, and watch until all have come out."""
    last = group[-1][0].number
    items = [
        {"shard": shard, "first": first, "part": source.part(*folder.span(shard))}
        for shard, first in _first_to_do(folder, last).items()
    ]
    if not items:
        return
    for task, _ in group:
        folder.check_space(task.number)
    ray.data.DataContext.get_current().raise_original_map_exception = True
    dataset = ray.data.from_items(items, override_num_blocks=len(items))
    for task, pool in group:
        least, most = pool.workers
        dataset = dataset.map_batches(
            PhaseWorker,
            fn_constructor_args=(task, watch.board),
            batch_size=1,  # one shard; Ray would else put small blocks together
            compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
            num_cpus=pool.num_cpus,
            num_gpus=pool.num_gpus or None,
            memory=pool.memory or None,
        )
    outcome: list[BaseException] = []

    def consume() -> None:
        try:
            for _ in dataset.iter_batches(batch_size=1, prefetch_batches=0):
                pass
        except BaseException as error:
            outcome.append(error)

    flow = threading.Thread(target=consume, daemon=True)
    flow.start()
    while flow.is_alive():
        flow.join(LOOK_SECONDS)
        watch.look()
        if stop.is_set():
            folder.store.replace(STOP, b"", durable=False)
    watch.look()
    if outcome:
        raise cause(outcome[0]) from outcome[0]


def _first_to_do(folder: RunDir, last: int) -> dict[int, int]:
    """Shard -> the first phase up to `last` that it has to go through; later ones follow."""
    first: dict[int, int] = {}
    for phase in range(last + 1):
        for shard in folder.todo(phase):
            first.setdefault(shard, phase)
    return dict(sorted(first.items()))


def _grouped(
    plan: Plan, todo: Sequence[Task], gpu_bytes: Sequence[int]
) -> list[list[tuple[Task, WorkerPool]]]:
    """The phases with their workers, those that run at once together: as the recipe says, or, where
    it says nothing and there are GPUs, as their memory allows.

    gpu_bytes: memory of the cluster's GPUs.
    """
    given = plan.recipe.phases
    count = int(ray.cluster_resources().get("GPU", 0))
    if given or not count or not gpu_bytes:
        return _at_once([(task, given.get(task.phase.name, WorkerPool())) for task in todo])
    sizes = {
        role: size_of(binding)
        for role, binding in plan.models.items()
        if isinstance(binding, Checkpoint)
    }
    needs = needs_of([task.phase for task in todo], sizes, plan.models)
    places = placed(needs, min(gpu_bytes), count)
    for line in in_sentences(needs, places):
        log.info(line)
    groups: dict[int, list[tuple[Task, WorkerPool]]] = {}
    for task, place in zip(todo, places, strict=True):
        groups.setdefault(place.group, []).append((task, place.pool))
    return list(groups.values())


def _at_once(pools: list[tuple[Task, WorkerPool]]) -> list[list[tuple[Task, WorkerPool]]]:
    """All phases together where the cluster has room for the least workers of each, else one after
    the other.

    Raises:
        StoppedError: there is not room for a single phase.
    """
    there = ray.cluster_resources()
    wanted = {"CPU": 0.0, "GPU": 0.0, "memory": 0.0}
    for task, pool in pools:
        for name, amount in pool.least.items():
            if amount > there.get(name, 0.0):
                text = f"asks for {amount:g} {name}, the cluster has {there.get(name, 0.0):g}"
                raise StoppedError(f"phases.{task.phase.name} {text}")
            wanted[name] += amount
    short = [name for name, amount in wanted.items() if amount > there.get(name, 0.0)]
    if not short:
        return [pools]
    log.warning("not enough %s for all phases at once: one after the other", " and ".join(short))
    return [[each] for each in pools]


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Ray, as the recipe, the job's environment or this machine has it, else one started here."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith(OUTSIDE):  # no worker could import a user's own file
            ray.cloudpickle.register_pickle_by_value(module)
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors come out of the flow
    try:
        _refuse_silent_address(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise StoppedError(f"ray_address {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _refuse_silent_address(address: str | None) -> None:
    """Fail at once where nobody listens: Ray would wait for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _check_shared(store: Store) -> list[int]:
    """Every machine of the cluster must see what is stored and be able to replace it.

    Returns:
        The memory of the GPUs that they have, in bytes.
    """
    found: list[int] = []
    store.replace(PROBE, b"driver")
    try:
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            on_it = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked = _probe.options(scheduling_strategy=on_it, num_cpus=0)
            answer, memories = ray.get(asked.remote(store))
            found += memories
            if answer or content_of(store, PROBE) != node["NodeID"].encode():
                reason = answer or "what it writes there does not come back"
                name = node["NodeManagerHostname"]
                way_out = "Choose an export_path on a disk that all machines share."
                raise StoppedError(f"{store} is not shared with {name}: {reason}. {way_out}")
    finally:
        store.delete(PROBE)
    return found


@ray.remote
def _probe(store: Store) -> tuple[str, list[int]]:
    """Replace the probe by this machine's name; says what goes wrong, and what its GPUs hold."""
    memories = [gpu.total for gpu in gpus(visible_alone=False)]  # Ray shows this task none
    try:
        store.get(PROBE).close()
        store.replace(PROBE, ray.get_runtime_context().get_node_id().encode())
    except OSError as error:
        return str(error), memories
    return "", memories
