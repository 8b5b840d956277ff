"""The look at a recipe and a machine: `imgdiff doctor`, and what a long run begins with.

No weight is loaded. Sizes come from files here and from the Hub's listings, what work takes beside
the weights is estimated.
"""

import importlib.metadata
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgdiff.data.hub import HubUnreachableError
from imgdiff.engine.placement import FILLED, Need, needs_of
from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.export.licences import OWN, licence_of
from imgdiff.models.families import Family
from imgdiff.models.kinds import family_of, family_of_server, requirements
from imgdiff.models.machine import Gpu
from imgdiff.models.revisions import at_commit
from imgdiff.models.sizes import ModelSize, in_words, needs_gpu, size_of
from imgdiff.models.zoo import Binding, Checkpoint, Endpoint
from imgdiff.recipe.plan import Plan

SERVER_SECONDS = 10.0  # that a server gets for the tiny question
LIBRARIES = ("torch", "transformers", "diffusers", "datasets", "huggingface-hub")


@dataclass(frozen=True)
class Finding:
    """text: one line. is_wrong: the run would fail by it. is_open: so it may; it cannot be told."""

    text: str
    is_wrong: bool = False
    is_open: bool = False


@dataclass(frozen=True)
class Chapter:
    title: str
    findings: list[Finding]


@dataclass(frozen=True)
class Examination:
    """sizes: role -> size, of the models of which it is known. needs: of the phases."""

    sections: list[Chapter]
    sizes: dict[str, ModelSize]
    needs: list[Need]

    @property
    def findings(self) -> list[Finding]:
        return [found for section in self.sections for found in section.findings]


def examine(
    plan: Plan, gpus: Sequence[Gpu], phases: Collection[str] | None = None, ask: bool = True
) -> Examination:
    """Everything that can be told of a checked recipe.

    Args:
        gpus: of this machine.
        phases: names of those that are to do; None: all.
        ask: put a tiny question to the servers.
    """
    todo = [phase for phase in plan.phases if phases is None or phase.name in phases]
    roles = {role for phase in todo for role in phase.roles}
    plan = replace(plan, models={role: plan.models[role] for role in plan.models if role in roles})
    models, sizes = _models(plan.models)
    needs = needs_of(todo, sizes, plan.models)
    loaded = {role for phase in todo for role in phase.loaded_roles}
    weighing = {role: size for role, size in sizes.items() if role in loaded}
    sections = [
        Chapter("models", models),
        Chapter("GPU", list(_fit(plan, needs, weighing, gpus))),
        Chapter("disk", list(_disk(plan, sizes))),
        Chapter("servers", list(_servers(plan.models)) if ask else []),
        Chapter("libraries", [*_libraries(plan), *_tokens(plan)]),
    ]
    return Examination([each for each in sections if each.findings], sizes, needs)


def _models(models: Mapping[str, Binding]) -> tuple[list[Finding], dict[str, ModelSize]]:
    findings: list[Finding] = []
    sizes: dict[str, ModelSize] = {}
    for role, binding in models.items():
        if isinstance(binding, Endpoint):
            findings.append(Finding(f"{role}: {binding.name}, a server"))
            continue
        name = f"{role}: {'embedded' if binding.is_embedded else binding.name}"
        try:
            pinned = at_commit(binding)
            family = family_of(role, pinned)
            sizes[role] = size_of(pinned)
        except HubUnreachableError as silent:
            findings.append(Finding(f"{name}: {silent}", is_open=True))
        except RefusedError as refusal:
            findings.append(Finding(f"{name}: {refusal}", is_wrong=True))
        else:
            findings.append(Finding(f"{name}: {_described(binding, family, sizes[role])}"))
    return findings, sizes


def _described(checkpoint: Checkpoint, family: Family, size: ModelSize) -> str:
    weights = f"{in_words(size.memory)} in {checkpoint.dtype}"
    download = f", {size.to_download / 1e9:.1f} GB to download" if size.to_download else ""
    licence = OWN if checkpoint.is_embedded else licence_of(checkpoint.name)
    needs = requirements(family, checkpoint)
    named = f"family {family.name}" + (f" (needs {needs})" if needs else "")
    return f"{named}, {weights}{download}, licence {licence}"


def _fit(
    plan: Plan, needs: Sequence[Need], sizes: Mapping[str, ModelSize], gpus: Sequence[Gpu]
) -> Iterator[Finding]:
    """The phases against the GPUs, one line each."""
    if not gpus:
        yield from _without_gpu(plan, sizes)
        return
    smallest = min(gpus, key=lambda gpu: gpu.total)
    names = ", ".join(f"{gpu.name} with {in_words(gpu.total)}" for gpu in gpus)
    busy = [gpu for gpu in gpus if gpu.free < FILLED * gpu.total]
    yield Finding(names)
    for gpu in busy:
        yield Finding(f"{gpu.name}: only {in_words(gpu.free)} are free; others use it")
    for need in needs:
        work = f"about {in_words(need.working)} for work"
        text = f"{need.phase}: {in_words(need.weights)} of weights and {work}"
        if need.weights > smallest.total:
            elsewhere = plan.recipe.executor_type == "ray"  # other machines may have larger ones
            yield Finding(f"{text}, more than {smallest.name} has", is_wrong=not elsewhere)
        elif need.total > FILLED * smallest.total:
            yield Finding(f"{text}: tight on {smallest.name}")
        elif need.weights:
            yield Finding(f"{text}: fits")


def _without_gpu(plan: Plan, sizes: Mapping[str, ModelSize]) -> Iterator[Finding]:
    yield Finding("no GPU on this machine")
    if plan.recipe.executor_type == "ray":
        return  # those that work are elsewhere
    for role, size in sizes.items():
        binding = plan.models[role]
        if isinstance(binding, Checkpoint) and (problem := needs_gpu(binding, size)):
            yield Finding(f"models.{role}: {problem}", is_wrong=True)


def _disk(plan: Plan, sizes: Mapping[str, ModelSize]) -> Iterator[Finding]:
    files = {(plan.models[role].name, plan.models[role].revision): s for role, s in sizes.items()}
    wanted = sum(size.to_download for size in files.values())
    if not wanted:
        return
    from huggingface_hub import constants

    free = _free(Path(constants.HF_HUB_CACHE))
    text = f"{wanted / 1e9:.1f} GB of models to download, {free / 1e9:.1f} GB free"
    yield Finding(f"{text} at {constants.HF_HUB_CACHE}", is_wrong=wanted > free)


def _free(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _servers(models: Mapping[str, Binding]) -> Iterator[Finding]:
    """Each server is asked one tiny question, once."""
    from imgdiff.models.chat_client import ChatClient
    from imgdiff.models.endpoint import user_message

    for role, binding in models.items():
        if not isinstance(binding, Endpoint):
            continue
        quick = _impatient(binding)
        try:
            client = ChatClient(quick, family_of_server(role, binding), None)
            client.ask([user_message("Say yes.")], max_tokens=16, temperature=0.0)
        except (StoppedError, RowError) as error:
            yield Finding(f"{role}: {error} ({binding.key_note})", is_wrong=True)
        else:
            yield Finding(f"{role}: {binding.name} answers ({binding.key_note})")


def _impatient(endpoint: Endpoint) -> Endpoint:
    """The same server, asked once and without patience."""
    seconds = min(endpoint.timeout_s, SERVER_SECONDS)
    return endpoint.model_copy(update={"tries": 1, "timeout_s": seconds})


def _libraries(plan: Plan) -> Iterator[Finding]:
    versions = []
    for name in (*LIBRARIES, *(("ray",) if plan.recipe.executor_type == "ray" else ())):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding(f"{name} is not installed", is_wrong=True)
    yield Finding(", ".join(versions))


def _tokens(plan: Plan) -> Iterator[Finding]:
    from huggingface_hub import get_token

    there = get_token() is not None
    if plan.recipe.export.hub_repo and not there:
        text = f"export.hub_repo: {plan.recipe.export.hub_repo}, but there is no token of the Hub"
        yield Finding(f"{text}. Log in: hf auth login", is_wrong=True)
    else:
        yield Finding(f"a token of the Hub: {'yes' if there else 'none'}")
