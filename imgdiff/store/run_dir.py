"""The run folder: which shards are complete, the lock, and what may be resumed.

What a run writes and reads again lies in its store. What is for people and for one machine at a
time are files of the folder by nature: the lock, `run.log`, the dataset in `data/` and `dropped/`,
pages and exports, which are built beside their place and moved there whole.
"""

import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from imgdiff.data.rows import Row
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.store.files import TEMPORARY, locked, remove_temporary_files, to_json
from imgdiff.store.folder_store import FolderStore
from imgdiff.store.identity import WAY_OUT, recipe_changes, refusal
from imgdiff.store.interface import Store, json_of
from imgdiff.store.retry import Retry
from imgdiff.store.run_info import RUN, RunInfo, read_info, write_info
from imgdiff.store.shard_files import DamagedError, Manifest, ShardFiles
from imgdiff.store.tally import Tally

LOCK, REPORT = "run.lock", "report.json"
OF_EACH_ROW = ("ended", "marks")  # what manifests say of single rows


def without_rows(manifest: Manifest) -> Manifest:
    """What a manifest says of its shard as a whole. There are many, so that what all of them say is
    in memory once."""
    kept = {sys.intern(name): each for name, each in manifest.items() if name not in OF_EACH_ROW}
    kept["scoring"] = sys.intern(str(kept["scoring"]))
    kept["operators"] = [
        {sys.intern(name): each for name, each in tally.items()} for tally in kept["operators"]
    ]
    return kept


def store_at(path: Path) -> Store:
    """The store of the run folder at `path`: the one place that says which kind it is."""
    return FolderStore(path)


class RunDir:
    """A run's files. Each shard of a phase is a parquet file and, written last, its manifest.

    changed: settings that differ from the last start's. verify: whether files that look untouched
    are hashed, too. retry: which failed rows are done again: shards that hold some are not
    complete. report: what `report.json` holds, once
    every shard is complete.
    """

    def __init__(
        self,
        path: Path,
        info: RunInfo,
        changed: Sequence[str] = (),
        store: Store | None = None,
        retry: Retry | None = None,
        verify: bool = False,
    ) -> None:
        self.path, self.info, self.changed, self.verify = path, info, changed, verify
        self.store = store or store_at(path)
        self.files = ShardFiles(self.store, info, retry)
        self.report: dict[str, Any] = {}
        self.row_count = info.row_count
        self.shard_count = -(-self.row_count // info.shard_rows)
        self._done: dict[tuple[int, int], Manifest] = {}  # see `complete`
        self._rows_done, self._bytes_done = Counter[int](), Counter[int]()  # by phase
        self._find_done()

    @property
    def done_count(self) -> int:
        """Complete shards, those of each phase counted."""
        return len(self._done)

    @property
    def total_count(self) -> int:
        return self.shard_count * len(self.info.phases)

    @property
    def digest(self) -> str:
        """Changes with the content of any complete shard."""
        stored = [self._done[key]["sha256"] for key in sorted(self._done)]
        return hashlib.sha256("".join(stored).encode()).hexdigest()

    def span(self, shard: int) -> tuple[int, int]:
        """First row of a shard, and the row after its last: shards are cut from the whole input."""
        size = self.info.shard_rows
        return shard * size, min((shard + 1) * size, self.row_count)

    def is_done(self, phase: int, shard: int) -> bool:
        """Whether the shard has a valid manifest."""
        return (phase, shard) in self._done

    def todo(self, phase: int) -> list[int]:
        """Shards without a valid manifest."""
        return [shard for shard in range(self.shard_count) if (phase, shard) not in self._done]

    def redecidable_count(self) -> int:
        """Shards to do whose scores are stored: their rows are decided again."""
        return sum(
            self.files.is_of_recipe(manifest, phase, any_thresholds=True)
            for phase in range(len(self.info.phases))
            for shard in self.todo(phase)
            if (manifest := self.files.manifest(phase, shard))
        )

    def is_fresh(self, phase: int) -> bool:
        """Whether shards of a phase are to do of which no scores are stored: models have to run."""
        return any(
            not (manifest := self.files.manifest(phase, shard))
            or not self.files.is_of_recipe(manifest, phase, any_thresholds=True)
            for shard in self.todo(phase)
        )

    def failed(self) -> Counter[str]:
        """Reason -> rows that failed for it, in all that is stored."""
        found: Counter[str] = Counter()
        for phase in range(len(self.info.phases)):
            for shard in range(self.shard_count):
                if manifest := self.files.manifest(phase, shard):
                    found.update(self.files.failed(phase, manifest))
        return found

    def manifests(self, phase: int) -> list[Manifest]:
        """Manifests of the phase's complete shards."""
        done = (self._done.get((phase, shard)) for shard in range(self.shard_count))
        return [manifest for manifest in done if manifest is not None]

    def rows(
        self, shard: int, leave_out: Collection[str] = (), phases: int | None = None
    ) -> list[Row]:
        """A shard's rows after the first `phases` phases (all, if not given), with every field but
        those to `leave_out`."""
        phases = len(self.info.phases) if phases is None else phases
        return self.files.read(shard, phases, leave_out)

    def write_shard(
        self, phase: int, shard: int, rows: Sequence[Row], tallies: Sequence[Tally], seconds: float
    ) -> Manifest:
        """Store what a phase made of a shard; returns its manifest."""
        manifest = self.files.write(phase, shard, rows, tallies, seconds)
        self.complete(phase, shard, manifest)
        return manifest

    def complete(self, phase: int, shard: int, manifest: Manifest) -> None:
        """Take note of a shard that this process or another one has stored; of its manifest without
        what it says of each row, as it stays in memory."""
        self._forget(phase, shard)
        kept = self._done[phase, shard] = without_rows(manifest)
        self._rows_done[phase] += kept["rows"]
        self._bytes_done[phase] += kept["bytes"]

    def redo(self, damaged: DamagedError) -> None:
        """Take a shard as not done, with all that is made from it."""
        self.store.delete(self.files.name(damaged.phase, damaged.shard, "json"))
        for phase, shard in list(self._done):
            self._forget(phase, shard)
        self._find_done()

    def _forget(self, phase: int, shard: int) -> None:
        before = self._done.pop((phase, shard), None)
        if before is not None:
            self._rows_done[phase] -= before["rows"]
            self._bytes_done[phase] -= before["bytes"]

    def write_report(self, report: dict[str, Any]) -> None:
        self.report = report
        self.store.replace(REPORT, to_json(report))

    def check_space(self, phase: int) -> None:
        """Stop before the disk is full, judging by what the phase's rows have taken so far.

        Raises:
            StoppedError: the rows that are left will not fit.
        """
        if self.space_needed(phase) > self.store.free_bytes():
            raise StoppedError(self.no_space_left())

    def space_needed(self, phase: int) -> float:
        """Bytes for the phase's shards that are to do; 0 while nothing has been measured."""
        rows_done, size = self._rows_done[phase], self._bytes_done[phase]
        return size / rows_done * (self.row_count - rows_done) if rows_done else 0.0

    def where_it_stands(self) -> str:
        counts = f"{self.done_count} of {self.total_count} shards are safe"
        return f"{counts}. Run again to resume."

    def no_space_left(self) -> str:
        needed = sum(self.space_needed(phase) for phase in range(len(self.info.phases)))
        free = f"{self.store.free_bytes() / 1e9:.1f} GB free"
        figures = f"needs about {needed / 1e9:.1f} GB, {free}" if needed else free
        safe = f"{self.done_count} of {self.total_count} shards are safe"
        return f"no space left on {self.path} ({figures}). {safe}. Free space and run again."

    def tidy(self) -> None:
        """When every shard is complete: delete what the run does not need any more."""
        remove_temporary_files(self.path)
        self.files.tidy()

    def _find_done(self) -> None:
        """Take the manifests whose file is as it was written and follows from those before."""
        for phase in range(len(self.info.phases)):
            for shard in range(self.shard_count):
                if not all(before in self._done for before in self.files.before(phase, shard)):
                    continue
                start, stop = self.span(shard)
                manifest = self.files.manifest(phase, shard)
                if manifest and self.files.is_valid(
                    manifest, phase, shard, stop - start, self.verify
                ):
                    self.complete(phase, shard, manifest)


@contextmanager
def open_run(
    path: Path,
    info: RunInfo,
    restart: bool = False,
    retry: Retry | None = None,
    verify: bool = False,
) -> Iterator[RunDir]:
    """The run folder at `path`, begun or resumed, locked until the context ends.

    Raises:
        RefusedError: another process holds it, it is no run folder, or it was begun from another
            input.
    """
    store = store_at(path)
    refuse_foreign(path, store)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK).open("a+")
    except OSError as error:
        raise RefusedError(f"cannot write to {path}: {error.strerror}") from None
    with lock, locked(lock) as holder:
        if holder is not None:
            way_out = "Wait for it, or choose another export_path."
            raise RefusedError(f"{path} is in use by {holder}. {way_out}")
        if restart:
            _clear(path, store)
        begun, changed = _begin_or_resume(path, info)
        remove_temporary_files(path)
        files = ShardFiles(store, begun)
        files.remove_leftovers()
        if changed:
            files.remove_recovery_records()  # they may blame rows for what another recipe did
        write_info(store, begun)
        yield RunDir(path, begun, changed, store, retry, verify)


def begun_at(path: Path) -> RunDir | None:
    """The folder of a run, complete or not, to read from; None if no `run.json` can be read."""
    info = read_info(store_at(path))
    return None if info is None else RunDir(path, info)


def open_complete(path: Path) -> RunDir:
    """The folder of a run whose shards are all complete, to read from: nothing is written to it,
    no lock is taken.

    Raises:
        RefusedError: it is no run folder, or shards are missing.
    """
    folder = begun_at(path)
    if folder is None:
        raise RefusedError(f"{path} is no run folder: there is no {RUN} that can be read")
    if missing := folder.total_count - folder.done_count:
        text = f"{path}: {missing} of {folder.total_count} shards are missing"
        raise RefusedError(f"{text}. Run its recipe again to finish it.")
    return folder


@contextmanager
def open_finished(path: Path) -> Iterator[RunDir]:
    """The folder of a run that came to its end, locked until the context ends.

    Raises:
        RefusedError: it is no run folder, not complete or in use, or `data/` is older than it.
    """
    folder = open_complete(path)
    with (path / LOCK).open("a+") as lock, locked(lock) as holder:
        if holder is not None:
            raise RefusedError(f"{path} is in use by {holder}. Wait for it.")
        folder.report = json_of(folder.store, REPORT) or {}
        if folder.report.get("shards_sha256") != folder.digest:
            way_out = "Run its recipe again: that only writes it out."
            raise RefusedError(f"{path}/data is older than the shards. {way_out}")
        yield folder


def recorded_revisions(path: Path, models: str | Mapping[str, Any]) -> dict[str, str | None]:
    """Role -> commit of the Hub that a run in this folder has used so far, for the roles that
    `models` of the recipe binds as it did then."""
    begun = read_info(store_at(path))
    if begun is None:
        return {}
    then = begun.recipe.get("models")
    return {
        role: model.revision
        for role, model in begun.models.items()
        if _binding(then, role) == _binding(models, role)
    }


def _binding(models: Any, role: str) -> Any:
    return models.get(role) if isinstance(models, Mapping) else models


def recorded_input(path: Path) -> str | None:
    """The commit of the input that a run in this folder has used so far, if that is on the Hub."""
    begun = read_info(store_at(path))
    return begun.input.revision if begun else None


def _begin_or_resume(path: Path, info: RunInfo) -> tuple[RunInfo, list[str]]:
    """The new content of `run.json`, with a history of changed settings, and what has changed."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    begun = read_begun(path, info)
    if begun is None:
        return replace(info, started=now), []
    changed = recipe_changes(begun, info)
    history = (*begun.history, *([{"at": now, "changed": changed}] if changed else []))
    return replace(info, started=begun.started or now, history=history), changed


def read_begun(path: Path, info: RunInfo) -> RunInfo | None:
    """`run.json` of a run that was begun at `path`; None if none was.

    Raises:
        RefusedError: the file cannot be read, or `info` cannot go on with it.
    """
    store = store_at(path)
    if not _is_begun(store):
        return None
    begun = read_info(store)
    if begun is None:
        raise RefusedError(f"{path / RUN} cannot be read. {WAY_OUT}")
    if reason := refusal(begun, info):
        raise RefusedError(f"{path}: {reason}")
    return begun


def _is_begun(store: Store) -> bool:
    try:
        store.get(RUN).close()
    except FileNotFoundError:
        return False
    except OSError:  # it is there, but cannot be read
        return True
    return True


def refuse_foreign(path: Path, store: Store) -> None:
    """A folder with other things in it is nobody's to write to, or to clear."""
    if path.is_dir() and not _is_begun(store):
        others = {entry.name for entry in path.iterdir()} - {LOCK}
        others -= {name for name in others if name.startswith(RUN) and name.endswith(TEMPORARY)}
        if others:
            text = f"{path} is no run folder ({min(others)} is in it)"
            raise RefusedError(f"{text}. Choose another export_path.")


def _clear(path: Path, store: Store) -> None:
    """Empty the folder and the store, which may lie elsewhere; `run.json` goes last, so that a
    clearing cut short can be done again."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in (LOCK, RUN):
            entry.unlink()
    for name in store.list(""):
        if name not in (LOCK, RUN):
            store.delete(name)
    store.delete(RUN)
