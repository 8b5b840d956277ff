"""Which commit of the Hub a run uses: looked up once, recorded, and the same when it goes on.

Only safetensors are loaded, so it is a commit that has them. Where a model was published as pickled
weights alone, that is the commit of the pull request in which the Hub's own bot converted them.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from imgdiff.data.hub import (
    SAFE,
    HubUnreachableError,
    ask_hub,
    commit_of,
    has_downloaded,
    has_downloaded_all,
    listing,
)
from imgdiff.errors import RefusedError
from imgdiff.models.kinds import NOTHING, refuse_unable
from imgdiff.models.pipeline_parts import Weights
from imgdiff.models.zoo import Binding, Checkpoint

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

CONVERTER = "SFconvertbot"  # the Hub's bot; weights that others propose may be anything
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
PROSE = (".md", ".gitattributes")  # files that no model is loaded from
log = logging.getLogger(__name__)
_Bound = TypeVar("_Bound", Binding, Checkpoint)


def pinned(
    models: Mapping[str, Binding],
    recorded: Mapping[str, str | None],
    asked: Mapping[str, Mapping[str, str]] = NOTHING,
) -> dict[str, Binding]:
    """The same bindings, checkpoints of the Hub at a commit.

    Args:
        models: role -> what plays it, as the recipe says.
        recorded: role -> the commit that the run has used so far; None for folders.
        asked: role -> what is asked of its model, see `imgdiff.models.kinds.refuse_unable`.

    Raises:
        RefusedError: as of `at_commit`; a line for each role.
    """
    found: dict[str, Binding] = {}
    problems = []
    for role, binding in models.items():
        try:
            commit = recorded.get(role)
            used = {part: recorded.get(part_key(role, part)) for part in binding.parts}
            found[role] = at_commit(binding, commit, used if role in recorded else {})
            if commit is None or role in asked:
                in_role(role, found[role], asked.get(role, {}))
        except HubUnreachableError as error:
            if recorded.get(role) is None:
                problems.append(f"models.{role}: {error}")
        except RefusedError as error:
            problems.append(f"models.{role}: {error}")
    if problems:
        raise RefusedError("\n".join(problems))
    return found


def in_role(role: str, binding: Binding, asked: Mapping[str, str] = NOTHING) -> None:
    """Return if a checkpoint of the Hub can play a role and do what is asked of it (of a folder the
    recipe's check tells it).

    Raises:
        RefusedError: it cannot.
    """
    if isinstance(binding, Checkpoint) and binding.folder is None:
        refuse_unable(role, binding, asked)


def part_key(role: str, part: str) -> str:
    """Under which a part of a role's model that is from elsewhere is recorded."""
    return f"{role}.{part}"


def at_commit(
    binding: _Bound,
    recorded: str | None = None,
    recorded_parts: Mapping[str, str | None] = NOTHING,
) -> _Bound:
    """The same binding; a checkpoint of the Hub, and what it has from elsewhere, at a commit that
    has safetensors.

    Args:
        recorded: the commit that has been used so far, which is kept without asking the Hub.
        recorded_parts: likewise, of the parts from elsewhere.

    Raises:
        RefusedError: the Hub does not have it, or no safetensors of it, or cannot be reached and
            the machine has no copy.
    """
    if not isinstance(binding, Checkpoint):
        return binding
    parts = {
        name: part_at_commit(part, recorded_parts.get(name)) for name, part in binding.parts.items()
    }
    if binding.folder is not None:
        return binding.model_copy(update=parts)
    commit = recorded
    if commit is None:
        commit = commit_of(binding.name, binding.revision, "model")
        if not has_downloaded_all(binding.name, commit):
            commit = _with_safetensors(binding, commit)
    return binding.model_copy(update=parts | {"revision": commit})


def part_at_commit(part: Weights, recorded: str | None) -> Weights:
    """The same weights; those of the Hub at a commit that has the file.

    Raises:
        RefusedError: as of `at_commit`.
    """
    if part.folder is not None:
        return part
    commit = recorded or commit_of(part.name, part.revision, "model")
    wanted = part.file or SAFE
    if recorded is None and not has_downloaded(part.name, commit, wanted):
        there = listing(part.name, commit)
        if there is None:
            raise HubUnreachableError(f"{part.name} at {commit}")
        files = [name for name in sorted(_files(there)) if name.endswith(SAFE)]
        if not any(part.file in (None, name) for name in files):
            has = ", ".join(files) or "no safetensors"
            raise RefusedError(f"{part.name} at {commit} has no {wanted}; it has {has}")
    return part.model_copy(update={"revision": commit})


def has_on_hub(checkpoint: Checkpoint, ending: str) -> bool:
    """Whether a checkpoint is of the Hub, which has files of it that end so, or this disk has."""
    if checkpoint.folder is not None:
        return False
    revision = checkpoint.revision or "main"
    if has_downloaded(checkpoint.name, revision, ending):
        return True
    there = listing(checkpoint.name, revision)
    return there is not None and any(name.endswith(ending) for name in _files(there))


def _with_safetensors(checkpoint: Checkpoint, commit: str) -> str:
    """The commit itself, or that of the conversion of its weights."""
    repo = checkpoint.name
    wanted = listing(repo, commit)
    if wanted is None:
        raise HubUnreachableError(f"{repo} at {commit}", in_part=has_downloaded(repo, commit, ""))
    if _is_safe(wanted):
        return commit
    pickled = [name for name in _files(wanted) if name.endswith(PICKLED)]
    only = f" (only {pickled[0]})" if pickled else ""
    problem = f"{repo} at {checkpoint.revision or 'main'} has no safetensors weights{only}"
    for reference, converted in _conversions(repo):
        if _is_same_model(wanted, converted):
            log.warning("%s: taking those of %s, commit %s", problem, reference, converted.sha)
            return str(converted.sha)
        problem += f"; {reference} adds them to other files: for these, revision: {converted.sha}"
    advice = "imgdiff loads no pickled weights. Convert them, or name another model."
    raise RefusedError(f"{problem}. {advice}")


def _conversions(repo: str) -> Iterator[tuple[str, "ModelInfo"]]:
    """Pull requests of the Hub's bot that have safetensors, and their files."""
    try:
        requests = ask_hub(
            repo,
            lambda hub: list(
                hub.get_repo_discussions(repo, author=CONVERTER, discussion_type="pull_request")
            ),
        )
    except RefusedError:  # discussions may be switched off
        return
    for request in requests or ():
        reference = request.git_reference
        if request.author == CONVERTER and request.status in ("open", "merged") and reference:
            converted = listing(repo, reference)
            if converted is not None and _is_safe(converted):
                yield reference, converted


def _is_same_model(wanted: "ModelInfo", converted: "ModelInfo") -> bool:
    """Whether every file of the wanted commit stands unchanged beside the converted weights."""
    there = _files(converted)
    return all(
        there.get(name) == content
        for name, content in _files(wanted).items()
        if not name.endswith(PROSE)
    )


def _files(info: "ModelInfo") -> dict[str, str | None]:
    """Path -> id of its content."""
    return {each.rfilename: each.blob_id for each in info.siblings or ()}


def _is_safe(info: "ModelInfo") -> bool:
    return any(name.endswith(SAFE) for name in _files(info))
