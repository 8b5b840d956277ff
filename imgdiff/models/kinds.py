"""Of which kind a checkpoint is, read from one small file of it, and which family takes it."""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from imgdiff.data.hub import HubUnreachableError, ask_hub, listing
from imgdiff.errors import RefusedError
from imgdiff.models.families import (
    ANY,
    UNNAMED,
    Family,
    families_of,
    family_named,
    family_of_kind,
)
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Binding, Checkpoint, Endpoint

PIPELINE, CONFIG = "model_index.json", "config.json"
TOKENIZER = "tokenizer_config.json"
NOTHING: Mapping[str, Any] = {}  # is asked of a model that not every family can do
LORA_NEEDS = {"peft": "0.18"}  # for diffusers to load one
SHAPE = (
    ("vision_config", "image_size"),
    ("vision_config", "hidden_size"),
    ("text_config", "hidden_size"),
    ("text_config", "vocab_size"),
)
OWN = "imgdiff_family"  # by which a checkpoint may name its family itself


def family_of(role: str, checkpoint: Checkpoint) -> Family:
    """The family that takes a checkpoint in a role: the one that the recipe names, that the
    checkpoint's own config names, or that takes its kind.

    Raises:
        HubUnreachableError: the config is on the Hub, which does not answer.
        RefusedError: none takes it; the message says what it is and what the role takes. Or it
            needs what is not installed.
    """
    family = _family_of(role, checkpoint)
    needs = _needs(family, checkpoint)
    lacking = [_lacking(*each) for each in needs.items() if not _is_installed(*each)]
    if lacking:
        text = f"{checkpoint.name} (family {family.name}) needs {' and '.join(lacking)}"
        raise RefusedError(f"{text}. Install it with pip.")
    return family


def requirements(family: Family, checkpoint: Checkpoint) -> str:
    """What a checkpoint needs beside the package's own requirements, in words; "" for nothing."""
    return " and ".join(_wanted(*each) for each in _needs(family, checkpoint).items())


def _needs(family: Family, checkpoint: Checkpoint) -> dict[str, str]:
    needs = dict(family.needs) | (LORA_NEEDS if checkpoint.lora else {})
    if family.tokenizer_needs:
        needs |= family.tokenizer_needs.get(_tokenizer_class(checkpoint), {})
    return needs


def _family_of(role: str, checkpoint: Checkpoint) -> Family:
    if checkpoint.family is not None:
        return _named(role, checkpoint.family)
    config = read_config(checkpoint)
    if OWN in config:
        return _named(role, str(config[OWN]))
    kind = kind_of(config)
    if role == "mllm" and (embedded := _embedded_of_shape(config)):
        return _named(role, embedded)
    family = family_of_kind(role, kind)
    if family is None:
        what = f"is of the kind {kind}" if kind else f"names no model_type in its {CONFIG}"
        raise RefusedError(f"{checkpoint.name} {what}, but {role} takes {_taken(role)}")
    return family


def _embedded_of_shape(config: dict[str, Any]) -> str | None:
    """The family of the embedded MLLM, if a config is of its shape: one that was trained on from it
    may have been saved without naming its family."""
    own = read_config(Checkpoint(name=str(EMBEDDED_WEIGHTS / "mllm")))
    if kind_of(config) != kind_of(own):
        return None
    shapes = ([made.get(part, {}).get(size) for part, size in SHAPE] for made in (config, own))
    return str(own[OWN]) if len({*map(tuple, shapes)}) == 1 else None


def family_of_server(role: str, endpoint: Endpoint) -> Family:
    """The family of the model that answers: the one that the recipe names, else that of any other
    model.

    Raises:
        RefusedError: there is no such family.
    """
    if endpoint.family is not None:
        return _named(role, endpoint.family)
    return next(family for family in families_of(role) if ANY in family.kinds)


def refuse_unable(role: str, checkpoint: Checkpoint, asked: Mapping[str, str]) -> None:
    """Return if a checkpoint can play a role and do what is asked of it there.

    Args:
        asked: what not every family of the role can do -> the operator that asks for it.

    Raises:
        HubUnreachableError, RefusedError: as of `family_of`, or it cannot do that.
    """
    family = family_of(role, checkpoint)
    for what, operator in asked.items():
        if what not in family.can:
            able = ", ".join(each.name for each in families_of(role) if what in each.can)
            text = f"{checkpoint.name} (family {family.name}) cannot {what}, as {operator} asks"
            raise RefusedError(f"{text}. Families that can: {able}")


def family_on_disk(role: str, checkpoint: Checkpoint) -> Family | None:
    """The family that takes a checkpoint, if that can be told without asking the Hub."""
    if checkpoint.family is None and not any(
        _on_disk(checkpoint, name) for name in (PIPELINE, CONFIG)
    ):
        return None
    try:
        return _family_of(role, checkpoint)
    except RefusedError:
        return None


def family_among(roles: Sequence[str], checkpoint: Checkpoint) -> Family:
    """The family that takes a checkpoint in the first of some roles that it can play.

    Raises:
        HubUnreachableError, RefusedError: as `family_of`; it can play none of them.
    """
    *others, last = roles
    for role in others:
        try:
            return family_of(role, checkpoint)
        except HubUnreachableError:
            raise
        except RefusedError:
            continue
    return family_of(last, checkpoint)


def problem(role: str, binding: Binding, asked: Mapping[str, str] = NOTHING) -> str | None:
    """Why what is bound to a role cannot play it, as far as can be told without loading and
    without asking the Hub; None if nothing is wrong. asked: as of `refuse_unable`."""
    found = binding.problem()
    try:
        if found is None and isinstance(binding, Endpoint):
            family_of_server(role, binding)
        elif found is None and binding.folder is not None:
            refuse_unable(role, binding, asked)
    except RefusedError as refusal:
        found = str(refusal)
    return found


def kind_of(config: dict[str, Any]) -> str:
    """The class of a pipeline or the model_type of a model; UNNAMED if there is neither."""
    return str(config.get("_class_name") or config.get("model_type") or UNNAMED)


def _tokenizer_class(checkpoint: Checkpoint) -> str:
    """Of which class a checkpoint's tokenizer is; nothing if it does not say so."""
    path = _on_disk(checkpoint, TOKENIZER) or _on_hub(checkpoint, TOKENIZER)
    return str(_parsed(path).get("tokenizer_class")) if path is not None else ""


def read_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint's model_index.json or config.json, of a folder, this disk's copy or the Hub.

    Raises:
        HubUnreachableError: it is on the Hub, which does not answer.
        RefusedError: it has neither, or what it has is no JSON object.
    """
    for find in (_on_disk, _on_hub):
        for name in (PIPELINE, CONFIG):
            path = find(checkpoint, name)
            if path is not None:
                return _parsed(path)
    raise RefusedError(f"{checkpoint.name} has neither {CONFIG} nor {PIPELINE}")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise RefusedError(f"{path} holds no JSON object")
    return config


def _on_disk(checkpoint: Checkpoint, name: str) -> Path | None:
    if checkpoint.folder is not None:
        path = checkpoint.folder / name
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    kept = try_to_load_from_cache(checkpoint.name, name, revision=checkpoint.revision or "main")
    return Path(kept) if isinstance(kept, str) else None


def _on_hub(checkpoint: Checkpoint, name: str) -> Path | None:
    """Where a file of the Hub is now that it was downloaded; None if the Hub has no such file."""
    if checkpoint.folder is not None:
        return None
    from huggingface_hub import hf_hub_download

    repo, revision = checkpoint.name, checkpoint.revision or "main"
    there = listing(repo, revision)
    if there is None:
        raise HubUnreachableError(f"the config of {repo}")
    if name not in {each.rfilename for each in there.siblings or ()}:
        return None
    path = ask_hub(f"{name} of {repo}", lambda _: hf_hub_download(repo, name, revision=revision))
    if path is None:
        raise HubUnreachableError(f"the config of {repo}")
    return Path(path)


def _is_installed(distribution: str, lowest: str) -> bool:
    from packaging.version import Version

    found = _installed(distribution)
    return found is not None and Version(found) >= Version(lowest)


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _lacking(distribution: str, lowest: str) -> str:
    found = _installed(distribution)
    there = "which is not installed" if found is None else f"but {found} is installed"
    return f"{_wanted(distribution, lowest)}, {there}"


def _wanted(distribution: str, lowest: str) -> str:
    return f"{distribution} >= {lowest}"


def _named(role: str, name: str) -> Family:
    family = family_named(role, name)
    if family is None:
        names = ", ".join(each.name for each in families_of(role))
        raise RefusedError(f"no family {name!r} for {role}; there are: {names}")
    return family


def _taken(role: str) -> str:
    listed = [kind for family in families_of(role) for kind in family.kinds]
    kinds = [kind for kind in listed if kind not in (ANY, UNNAMED)]
    others = [family.mapping for family in families_of(role) if family.mapping]
    return ", ".join((*kinds, *(f"what transformers has in {name}" for name in others)))
