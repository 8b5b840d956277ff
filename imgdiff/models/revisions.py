"""Which commit of the Hub a run uses: looked up once, recorded, and the same when it goes on."""

import re
from collections.abc import Mapping
from pathlib import Path

from imgdiff.errors import RefusedError
from imgdiff.models.zoo import Binding, Checkpoint

COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 10.0  # that the Hub gets to answer
# files that a pipeline has, a model, or anything
USUAL_FILES = ("model_index.json", "config.json", "README.md")


def pinned(models: Mapping[str, Binding], recorded: Mapping[str, str | None]) -> dict[str, Binding]:
    """The same bindings, checkpoints of the Hub at a commit.

    Args:
        models: role -> what plays it, as the recipe says.
        recorded: role -> the commit that the run has used so far; None for folders.

    Raises:
        RefusedError: the Hub does not have it, or cannot be reached and the machine has no copy.
    """
    return {
        role: binding.model_copy(
            update={
                "revision": recorded.get(role)
                or commit_of(binding.name, binding.revision, f"models.{role}", "model")
            }
        )
        if isinstance(binding, Checkpoint) and binding.folder is None
        else binding
        for role, binding in models.items()
    }


def commit_of(repo: str, revision: str | None, key: str, repo_type: str) -> str:
    """The commit that a branch, a tag or nothing stands for now.

    Args:
        key: the recipe's, for messages. repo_type: model or dataset, in the Hub's words.

    Raises:
        RefusedError: the Hub does not have it, or cannot be reached and the machine has no copy.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    wanted = revision or "main"
    if COMMIT.fullmatch(wanted):
        return wanted
    name = f"{repo} at {wanted}"
    try:
        info = HfApi().repo_info(repo, revision=wanted, timeout=SECONDS, repo_type=repo_type)
        found = info.sha
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            reason = error.server_message or f"HTTP {error.response.status_code}"
            raise RefusedError(f"{key}: the Hub refuses {name}: {reason}") from None
        found = None
    except Exception:  # no connection: which errors say so depends on the Hub library's HTTP client
        found = None
    if found := found or _downloaded(repo, wanted, repo_type):
        return found
    raise RefusedError(f"{key}: the Hub cannot be reached, and {name} is not on this disk")


def _downloaded(name: str, revision: str, repo_type: str) -> str | None:
    """The commit that the cache of the Hub's files has for a branch or tag."""
    from huggingface_hub import try_to_load_from_cache

    for file in USUAL_FILES:
        path = try_to_load_from_cache(name, file, revision=revision, repo_type=repo_type)
        if isinstance(path, str):
            return next(part for part in Path(path).parts if COMMIT.fullmatch(part))
    return None
