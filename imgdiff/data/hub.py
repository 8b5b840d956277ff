"""Questions to the Hub, and to the files of it that are on this disk."""

import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imgdiff.errors import RefusedError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import ModelInfo

COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 10.0  # that the Hub gets to answer
LATELY = 60.0  # seconds for which it is remembered whether it answered
# files that a pipeline has, a model, or anything
USUAL_FILES = ("model_index.json", "config.json", "README.md")
SAFE = ".safetensors"
LOG_IN = "log in: hf auth login"
log = logging.getLogger(__name__)
_answered: dict[str, tuple[float, bool]] = {}  # address of a Hub -> when it was asked, if it did
_Answer = TypeVar("_Answer")


class HubUnreachableError(RefusedError):
    """The Hub does not answer, and what is wanted of it is not on this disk, or only in part."""

    def __init__(self, name: str, in_part: bool = False) -> None:
        lacking = f"only a part of {name} is" if in_part else f"{name} is not"
        super().__init__(f"the Hub cannot be reached, and {lacking} on this disk")


def ask_hub(name: str, question: Callable[["HfApi"], _Answer]) -> _Answer | None:
    """The Hub's answer; None if it cannot be reached, or could not a short while ago.

    Args:
        name: what is asked about, for messages.

    Raises:
        RefusedError: the Hub refuses to answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if _has_answered() is False:  # so that nobody waits for it once for each model
        return None
    try:
        answer = question(HfApi())
    except HfHubHTTPError as error:
        _remember(error.response.status_code < 500)
        if error.response.status_code >= 500:
            return None
        raise RefusedError(f"the Hub refuses {name}: {_reason(error)}") from None
    except Exception:  # no connection: which errors say so depends on the Hub library's HTTP client
        _remember(False)
        return None
    _remember(True)
    return answer


def answers(repo: str) -> bool:
    """Whether the Hub answers: as it did a short while ago, else it is asked about a model."""
    lately = _has_answered()
    if lately is not None:
        return lately
    try:
        return ask_hub(repo, lambda hub: hub.model_info(repo, timeout=SECONDS)) is not None
    except RefusedError:  # that is an answer
        return True


def _has_answered() -> bool | None:
    """None: it was not asked lately."""
    from huggingface_hub import constants

    when, answered = _answered.get(constants.ENDPOINT, (-LATELY, False))
    return answered if time.monotonic() - when < LATELY else None


def _remember(answered: bool) -> None:
    from huggingface_hub import constants

    _answered[constants.ENDPOINT] = time.monotonic(), answered


def _reason(error: "HfHubHTTPError") -> str:
    """Why the Hub refuses, and what to do about it."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    has_token = get_token() is not None
    if isinstance(error, GatedRepoError):
        then = "; the token of this machine has none" if has_token else f", then {LOG_IN}"
        return f"it is gated. Ask for access on its page{then}"
    if isinstance(error, RepositoryNotFoundError):
        then = "to others than this machine's token" if has_token else f"to a token only ({LOG_IN})"
        return f"there is none of that name, or it is shown {then}"
    if error.response.status_code == 401:
        return f"it does not take the token of this machine. {LOG_IN.capitalize()}"
    return error.server_message or f"HTTP {error.response.status_code}"


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
        raise HubUnreachableError(name, in_part=any(_copies(repo, repo_type)))
    return found


def listing(repo: str, revision: str) -> "ModelInfo | None":
    """A model's files at a commit or branch; None if the Hub cannot be reached.

    Raises:
        RefusedError: the Hub does not have it, or does not give its files to this machine.
    """
    name = f"{repo} at {revision}"
    found = ask_hub(
        name,
        lambda hub: hub.model_info(repo, revision=revision, timeout=SECONDS, files_metadata=True),
    )
    if found is not None and found.gated:  # everybody may see which files there are
        ask_hub(repo, lambda hub: hub.auth_check(repo))
    return found


def _downloaded(name: str, revision: str, repo_type: str) -> str | None:
    """The commit that the cache of the Hub's files has for a branch or tag; for main, of which it
    does not know the commit, the only one of which it has all weights."""
    from huggingface_hub import try_to_load_from_cache

    for file in USUAL_FILES:
        path = try_to_load_from_cache(name, file, revision=revision, repo_type=repo_type)
        if isinstance(path, str):
            return next(part for part in Path(path).parts if COMMIT.fullmatch(part))
    whole = [copy.name for copy in _copies(name, repo_type) if has_all_weights(copy)]
    if revision != "main" or len(whole) != 1:
        return None
    log.warning("the Hub cannot be reached: taking %s at %s, which is here", name, whole[0])
    return whole[0]


def has_downloaded(repo: str, commit: str, ending: str) -> bool:
    """Whether the cache of the Hub's files has any file of a model that ends so."""
    return any(_snapshot(repo, commit).rglob(f"*{ending}"))


def has_downloaded_all(repo: str, commit: str) -> bool:
    """Whether the cache of the Hub's files has all weights of a model."""
    return has_all_weights(_snapshot(repo, commit))


def has_all_weights(folder: Path) -> bool:
    """Whether a copy of a model of the Hub has weights: every file that its indexes name, and some
    for every part of a pipeline that has any."""
    named = [
        index.parent / name
        for index in folder.rglob(f"*{SAFE}.index.json")
        for name in {*json.loads(index.read_text("utf-8"))["weight_map"].values()}
    ]
    return all(path.is_file() for path in named) and all(
        any(part.rglob(f"*{SAFE}")) for part in _parts(folder)
    )


def stored_bytes(repo: str) -> int:
    """Bytes that the cache of the Hub's files has of a model, files that are still coming too."""
    total = 0
    for path in (_kept(repo, "model") / "blobs").glob("*"):
        with suppress(FileNotFoundError):  # renamed, as it has come whole
            total += path.stat().st_size
    return total


def _parts(folder: Path) -> list[Path]:
    """The folders of a pipeline that have weights, or that of a model."""
    index = folder / "model_index.json"
    if not index.is_file():
        return [folder]
    listed = json.loads(index.read_text("utf-8")).items()
    parts = [folder / name for name, made in listed if isinstance(made, list) and any(made)]
    return [part for part in parts if (part / "config.json").is_file() or not part.is_dir()]


def _snapshot(repo: str, commit: str) -> Path:
    """Where the cache of the Hub's files keeps those of a model at a commit."""
    return _kept(repo, "model") / "snapshots" / commit


def _copies(repo: str, repo_type: str) -> list[Path]:
    """The folders of its commits that are there, in whole or in part."""
    folder = _kept(repo, repo_type) / "snapshots"
    return [copy for copy in sorted(folder.glob("*")) if any(copy.iterdir())]


def _kept(repo: str, repo_type: str) -> Path:
    """Where the cache of the Hub's files keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type)
