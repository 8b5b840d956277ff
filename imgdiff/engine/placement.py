"""Where the phases of a run work: what each needs of a GPU, which run at once, with how many
workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from imgdiff.models.sizes import ModelSize, in_words
from imgdiff.models.zoo import Binding
from imgdiff.recipe.plan import Phase
from imgdiff.recipe.schema import WorkerPool

FILLED = 0.9  # of a GPU's memory that is planned with


@dataclass(frozen=True)
class Need:
    """What a phase needs of a GPU, in bytes: the weights of its models, and the most that the work
    of one of them takes. Models of servers need nothing."""

    phase: str
    weights: int
    working: float

    @property
    def total(self) -> float:
        return self.weights + self.working


@dataclass(frozen=True)
class Placed:
    """A phase with its workers, and the number of the group of phases that run at once."""

    phase: str
    group: int
    pool: WorkerPool


def needs_of(
    phases: Sequence[Phase],
    sizes: Mapping[str, ModelSize],
    models: Mapping[str, Binding] = MappingProxyType({}),
) -> list[Need]:
    """Of the phases that are done shard by shard.

    sizes: role -> size, of the models that are loaded. models: role -> what plays it; one that is
    bound to the CPU needs no GPU.
    """
    on_cpu = {role for role, model in models.items() if getattr(model, "device", "") == "cpu"}
    needs = []
    for phase in phases:
        if phase.selects:
            continue
        roles = [role for role in phase.loaded_roles if role in sizes.keys() - on_cpu]
        working = max((sizes[role].working(role) for role in roles), default=0.0)
        if "clip" in roles and "clip" in models and models["clip"] == models.get("matcher"):
            roles = [role for role in roles if role != "matcher"]  # one model plays both
        needs.append(Need(phase.name, sum(sizes[role].memory for role in roles), working))
    return needs


def placed(needs: Sequence[Need], gpu_bytes: float, gpus: int) -> list[Placed]:
    """Phases one after the other run at once where their models fit on one GPU together: each has a
    worker on every GPU. Where they do not, a phase has all GPUs, and as many workers on each as
    fit. What needs no GPU runs with the phases before it.

    gpu_bytes: memory of the smallest GPU.
    """
    room = FILLED * gpu_bytes
    groups: list[list[Need]] = []
    for need in needs:
        if groups and sum(each.total for each in groups[-1]) + need.total <= room:
            groups[-1].append(need)
        else:
            groups.append([need])
    return [
        Placed(need.phase, number, _pool(need, group, room, gpus))
        for number, group in enumerate(groups)
        for need in group
    ]


def in_sentences(needs: Sequence[Need], places: Sequence[Placed]) -> list[str]:
    """The placement, a line for each phase."""
    lines = []
    for need, place in zip(needs, places, strict=True):
        if not need.total:
            lines.append(f"{need.phase}: no GPU")
            continue
        memory = f"{in_words(need.weights)} of weights and about {in_words(need.working)} for work"
        workers = place.pool.workers[1]
        how = f"{workers} worker{'s' if workers > 1 else ''} with {place.pool.num_gpus:g} GPU each"
        beside = [
            other.phase
            for other in places
            if other.group == place.group and other.phase != need.phase and other.pool.num_gpus
        ]
        together = f", at once with {', '.join(beside)}" if beside else ""
        lines.append(f"{need.phase}: {memory}; {how}{together}")
    return lines


def _pool(need: Need, group: Sequence[Need], room: float, gpus: int) -> WorkerPool:
    if not need.total:
        return WorkerPool()
    if sum(each.total > 0 for each in group) > 1:
        share = need.total / sum(each.total for each in group)
        return WorkerPool(num_gpus=_hundredths(share), concurrency=gpus)
    each_gpu = max(1, int(room / need.total))
    return WorkerPool(num_gpus=_hundredths(1 / each_gpu), concurrency=gpus * each_gpu)


def _hundredths(share: float) -> float:
    """Rounded down, so that shares of one GPU are no more than one."""
    return int(100 * share) / 100
