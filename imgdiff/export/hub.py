"""A finished run's dataset on the Hugging Face Hub: contents first, then one commit.

Nothing is visible before that commit, which is tied to the state of the repository that the push
began with. The Hub knows contents by their sha256: what was uploaded for a push that did not come
to its commit is not sent again.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import disable_progress_bars, logging
from rich import progress as bars
from rich.console import Console
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from imgdiff import __version__
from imgdiff.console.progress import log
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.export import FinishedRun
from imgdiff.export.card import FOLDER
from imgdiff.store.files import read_json, to_json

CARD, MANIFEST = "README.md", "imgdiff.json"
BARE = {".gitattributes", CARD}  # what a repository may hold that nobody has pushed to
TRIES = 5  # of a request that the Hub's own client sends once; uploads it tries again itself
LONGEST_WAIT = 60.0  # seconds between two tries
PASSING = (408, 409, 425, 429, 500, 502, 503, 504)  # HTTP statuses after which a try may help
# errors of the Hub's own HTTP client: httpx, or since huggingface-hub 2 another one
CLIENT_ERROR: type[Exception] = next(
    kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"
)
# no connection, or half an answer; HfHubHTTPError, which is an answer, is both too
NO_ANSWER = (OSError, RuntimeError, CLIENT_ERROR, json.JSONDecodeError)
LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN to a token with the right to write."
T = TypeVar("T")


@dataclass(frozen=True)
class Pushed:
    """What the repository holds now. files: how many the push changed; 0 if it held all before."""

    url: str
    commit: str
    files: int


@dataclass(frozen=True)
class Remote:
    """A repository at one commit. files: path -> what the Hub says about the file there."""

    commit: str
    private: bool
    files: dict[str, Any]


def require_token() -> None:
    """Raises RefusedError if this machine has no token for the Hub."""
    if get_token() is None:
        raise RefusedError(f"there is no token for the Hub. {LOG_IN}")


def publish(console: Console, run: FinishedRun, repo: str, private: bool) -> None:
    """Push `data/` of a finished run; the console shows how far it is and what came of it.

    Raises:
        RefusedError: something must be changed first.
        StoppedError: the Hub cannot be reached, or the user stopped; the same command goes on.
    """
    disable_progress_bars()  # those of the Hub's client, one a file
    logging.set_verbosity_error()  # its warnings name addresses that anybody may write to
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn())
    shown = bars.Progress(
        *columns, bars.TimeRemainingColumn(), console=console, disable=not console.is_terminal
    )
    task = shown.add_task(f"push to {repo}", total=None)

    def tell(push: Push, path: str) -> None:
        shown.update(task, completed=push.sent, total=push.size)
        sizes = f"{push.sent / 1e6:.1f} of {push.size / 1e6:.1f} MB"
        log.info("push %d/%d: %s, %s", push.done, push.total, path, sizes)

    with shown:
        pushed = Push(run.path, repo, private, tell).run()
    if pushed.files:
        log.info("pushed to %s, %d files changed, commit %s", repo, pushed.files, pushed.commit)
        console.print(f"{pushed.url} (commit {pushed.commit[:8]})", soft_wrap=True)
    else:
        already = f"{pushed.url} already holds this (commit {pushed.commit[:8]})"
        console.print(f"{already}: nothing to push", soft_wrap=True)


class Push:
    """One push of a run's `data/`: `done` of `total` files, `sent` of `size` bytes are uploaded.

    Args:
        folder: the run folder.
        tell: called after each file with its path in the repository.
    """

    def __init__(
        self, folder: Path, repo: str, private: bool, tell: Callable[["Push", str], None]
    ) -> None:
        require_token()
        self.api = HfApi(library_name="imgdiff", library_version=__version__)
        self.repo, self.private, self.tell = repo, private, tell
        self.command = f"imgdiff push {folder} {repo}" + " --private" * private
        self.local = _contents(folder / "data", repo)
        self.done, self.total, self.sent, self.size = 0, len(self.local), 0, 0
        self.committing = False

    def run(self) -> Pushed:
        """Upload what the Hub does not have, then commit.

        Raises:
            RefusedError, StoppedError: see `publish`.
        """
        try:
            return self._run()
        except KeyboardInterrupt:
            raise StoppedError(self._where_it_stands("")) from None
        except (*NO_ANSWER, ValueError) as error:
            raise self._ending(error) from None

    def _run(self) -> Pushed:
        remote = self._ask(self._look_or_create)
        deletions, additions = self._stale(remote), self._missing(remote)
        commit, self.total = remote.commit, len(additions)
        self.size = sum(each.upload_info.size for each in additions)
        for addition in additions:
            self.api.preupload_lfs_files(
                self.repo, [addition], repo_type="dataset", free_memory=False
            )
            self.done += 1
            self.sent += addition.upload_info.size
            self.tell(self, addition.path_in_repo)
        if additions or deletions:
            commit = self._ask(lambda: self._commit(remote, [*additions, *deletions]))
        url = f"{self.api.endpoint}/datasets/{self.repo}"
        return Pushed(url, commit, len(additions) + len(deletions))

    def _look_or_create(self) -> Remote:
        try:
            remote = self._look()
        except RepositoryNotFoundError as error:
            if error.response.status_code != 404:
                raise
            self.api.create_repo(
                self.repo, repo_type="dataset", private=self.private, exist_ok=True
            )
            remote = self._look()
        if self.private and not remote.private:
            way_out = "Make it private in its settings, or choose another name."
            raise RefusedError(f"{self.repo} is there, and public. {way_out}")
        return remote

    def _look(self) -> Remote:
        info = self.api.dataset_info(self.repo, files_metadata=True)
        files = {each.rfilename: each for each in info.siblings or ()}
        return Remote(str(info.sha), bool(info.private), files)

    def _missing(self, remote: Remote) -> list[CommitOperationAdd]:
        """What the repository lacks, or has otherwise."""
        return [each for each in self.local if not _same(each, remote.files.get(each.path_in_repo))]

    def _stale(self, remote: Remote) -> list[CommitOperationDelete]:
        """What an earlier push put there and this one does not.

        Raises:
            RefusedError: there are files, and no push put them there.
        """
        if MANIFEST not in remote.files:
            if others := sorted(remote.files.keys() - BARE):
                text = f"{self.repo} holds other files ({others[0]}), which no push put there"
                raise RefusedError(f"{text}. Choose another name.")
            return []
        earlier = self._ask(
            lambda: self.api.hf_hub_download(
                self.repo, MANIFEST, repo_type="dataset", revision=remote.commit
            )
        )
        ours = set((read_json(Path(earlier)) or {}).get("files", ()))
        stale = ours & remote.files.keys() - {each.path_in_repo for each in self.local}
        return [CommitOperationDelete(path) for path in sorted(stale)]

    def _commit(self, remote: Remote, operations: list[Any]) -> str:
        """The new commit. An answer that was lost is found again in the repository."""
        self.committing = True
        try:
            return self.api.create_commit(
                self.repo,
                operations,
                repo_type="dataset",
                commit_message=f"Push {len(self.local)} files with imgdiff",
                parent_commit=remote.commit,
            ).oid
        except NO_ANSWER:
            now = self._look()
            if now.commit == remote.commit:
                self.committing = False
                raise
            if self._missing(now):
                text = f"{self.repo} changed since this push began (now {now.commit[:8]})"
                raise RefusedError(f"{text}. Look at it, then push again.") from None
            return now.commit

    def _ask(self, request: Callable[[], T]) -> T:
        """The answer to a request, which is sent again while that may help."""
        tries = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            retry=retry_if_exception(_may_pass),
            before_sleep=_tell_wait,
            reraise=True,
        )
        return tries(request)

    def _ending(self, error: Exception) -> RefusedError | StoppedError:
        """A failure in a user's words."""
        status, words = _status(error), _words(error)
        if status == 401:
            return RefusedError(f"the Hub does not accept the token ({words}). {LOG_IN}")
        if status == 403:
            return RefusedError(f"the token may not write to {self.repo} ({words}). {LOG_IN}")
        if status in PASSING or (status is None and _may_pass(error)):
            return StoppedError(self._where_it_stands(f" ({words})"))
        return RefusedError(f"the Hub refuses the push to {self.repo}: {words}")

    def _where_it_stands(self, reason: str) -> str:
        visible = "Nothing of it is visible on the Hub yet."
        if self.committing:
            visible = "Whether its commit came to the Hub is not known."
        counts = f"{self.done} of {self.total} files"
        return f"push stopped after {counts}{reason}. {visible} Run again: {self.command}"


def _contents(data: Path, repo: str) -> list[CommitOperationAdd]:
    """The files of a push: those of `data/`, the card with the name of the repository, and a list
    of them all, by which the next push knows them as its own.

    Raises:
        RefusedError: there is no data.
    """
    paths = sorted(path for path in data.rglob("*") if path.is_file())
    if not any(path.suffix == ".parquet" for path in paths):
        raise RefusedError(f"{data} holds no rows: there is nothing to push")
    files = [
        CommitOperationAdd(path.relative_to(data).as_posix(), path)
        for path in paths
        if path != data / CARD
    ]
    card = (data / CARD).read_text("utf-8").replace(FOLDER, repo)
    files.append(CommitOperationAdd(CARD, card.encode()))
    digests = {each.path_in_repo: each.upload_info.sha256.hex() for each in files}
    manifest = {"imgdiff": __version__, "files": digests}
    return [*files, CommitOperationAdd(MANIFEST, to_json(manifest))]


def _same(local: CommitOperationAdd, there: Any) -> bool:
    """Whether the repository has the file as it is here."""
    if there is None or there.size != local.upload_info.size:
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == local.upload_info.sha256.hex())
    with local.as_file() as file:
        content = file.read()  # a few MB at most: larger ones are in LFS
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return bool(there.blob_id == blob.hexdigest())


def _root(error: BaseException) -> BaseException:
    """The Hub's answer, where one is behind an error; else what the error began with."""
    while error.__cause__ is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    root = _root(error)
    return root.response.status_code if isinstance(root, HfHubHTTPError) else None


def _asked_to_wait(error: BaseException) -> float:
    """Seconds that the Hub wants to be left alone; 0 where it does not say."""
    root = _root(error)
    after = root.response.headers.get("Retry-After", "") if isinstance(root, HfHubHTTPError) else ""
    return float(after) if after.isdecimal() else 0.0


def _may_pass(error: BaseException) -> bool:
    """Whether another try may help: there was no answer, or one that says so."""
    status = _status(error)
    if status is not None:
        return status in PASSING and _asked_to_wait(error) <= LONGEST_WAIT
    return isinstance(error, NO_ANSWER)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = _asked_to_wait(error) if error is not None else 0.0
    return asked or wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT)(state)


def _tell_wait(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if error is not None:
        log.warning("push: %s; another try in %.0f s", _words(error), state.upcoming_sleep)


def _words(error: BaseException) -> str:
    """What the Hub said, or what became of the connection, on one line."""
    root = _root(error)
    if isinstance(root, HfHubHTTPError):
        return " ".join((root.server_message or f"HTTP {root.response.status_code}").split())
    text = " ".join(str(root).split())
    return text if isinstance(root, ValueError) else f"{type(root).__name__}: {text}"
