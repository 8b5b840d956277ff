"""Questions to the Hub, and to the files of it that are on this disk."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imgdiff.errors import RefusedError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 10.0  # that the Hub gets to answer
# files that a pipeline has, a model, or anything
USUAL_FILES = ("model_index.json", "config.json", "README.md")
_Answer = TypeVar("_Answer")


class HubUnreachableError(RefusedError):
    """The Hub does not answer, and what is wanted of it is not on this disk."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the Hub cannot be reached, and {name} is not on this disk")


def ask_hub(name: str, question: Callable[["HfApi"], _Answer]) -> _Answer | None:
    """The Hub's answer; None if it cannot be reached.

    Args:
        name: what is asked about, for messages.

    Raises:
        RefusedError: the Hub refuses to answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return question(HfApi())
    except HfHubHTTPError as error:
        if error.response.status_code >= 500:
            return None
        reason = error.server_message or f"HTTP {error.response.status_code}"
        raise RefusedError(f"the Hub refuses {name}: {reason}") from None
    except Exception:  # no connection: which errors say so depends on the Hub library's HTTP client
        return None


def commit_of(repo: str, revision: str | None, repo_type: str) -> str:
    """The commit that a branch, a tag or nothing stands for now.

    Args:
        repo_type: model or dataset, in the Hub's words.

    Raises:
        RefusedError: the Hub does not have it, or cannot be reached and the machine has no copy.
    """
    wanted = revision or "main"
    if COMMIT.fullmatch(wanted):
        return wanted
    name = f"{repo} at {wanted}"
    info = ask_hub(
        name,
        lambda hub: hub.repo_info(repo, revision=wanted, timeout=SECONDS, repo_type=repo_type),
    )
    found = info.sha if info is not None else _downloaded(repo, wanted, repo_type)
    if found is None:
        raise HubUnreachableError(name)
    return found


def listing(repo: str, revision: str) -> "ModelInfo | None":
    """A model's files at a commit or branch; None if the Hub cannot be reached.

    Raises:
        RefusedError: the Hub does not have it.
    """
    return ask_hub(
        f"{repo} at {revision}",
        lambda hub: hub.model_info(repo, revision=revision, timeout=SECONDS, files_metadata=True),
    )


def _downloaded(name: str, revision: str, repo_type: str) -> str | None:
    """The commit that the cache of the Hub's files has for a branch or tag."""
    from huggingface_hub import try_to_load_from_cache

    for file in USUAL_FILES:
        path = try_to_load_from_cache(name, file, revision=revision, repo_type=repo_type)
        if isinstance(path, str):
            return next(part for part in Path(path).parts if COMMIT.fullmatch(part))
    return None


def has_downloaded(repo: str, commit: str, ending: str) -> bool:
    """Whether the cache of the Hub's files has any file of a model that ends so."""
    return any((_kept(repo) / "snapshots" / commit).rglob(f"*{ending}"))


def stored_bytes(repo: str) -> int:
    """Bytes that the cache of the Hub's files has of a model, files that are still coming too."""
    total = 0
    for path in (_kept(repo) / "blobs").glob("*"):
        with suppress(FileNotFoundError):  # renamed, as it has come whole
            total += path.stat().st_size
    return total


def _kept(repo: str) -> Path:
    """Where the cache of the Hub's files keeps a model."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
