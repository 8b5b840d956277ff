"""The files of a run's shards: parquet written whole, then the manifest that says it counts."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from secrets import token_hex
from typing import Any

from imgdiff.data.rows import Row, features, from_table, to_table
from imgdiff.errors import StoppedError
from imgdiff.store.duplicates import pair_digests
from imgdiff.store.files import to_json
from imgdiff.store.interface import Store, json_of
from imgdiff.store.retry import Retry, ended_in
from imgdiff.store.run_info import RunInfo
from imgdiff.store.tally import Tally

Manifest = dict[str, Any]
Versions = dict[str, list[str]]  # package -> its versions, those of one dataset or of a part of it
STAGES = "stages/"


class DamagedError(StoppedError):
    """A shard's file is not as it was written."""

    def __init__(self, file: str, phase: int, shard: int) -> None:
        super().__init__(f"{file} is damaged. Run again with --verify: that makes it anew.")
        self.phase, self.shard = phase, shard


@dataclass(frozen=True)
class Stored:
    """What a phase made of a shard, by the same operators on thresholds that may have been moved.

    rows: id -> the row with what this phase wrote. marks: id -> `mark` of the row that came in, for
    rows that came in ok.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


class ShardFiles:
    """Reads and writes shards of a run. Any process that sees the store may do so.

    Every attempt at a shard writes a file of its own, and the manifest, replaced in one move, names
    the one that counts: a worker that was given up and still runs can spoil nothing.
    """

    def __init__(self, store: Store, info: RunInfo, retry: Retry | None = None) -> None:
        """retry: which failed rows are to be done again, whatever is stored of them."""
        self.store, self.info, self.retry = store, info, retry
        self._schemas: dict[int, Any] = {}  # by phase

    def manifest(self, phase: int, shard: int) -> Manifest | None:
        """What is said about a shard; None if nothing readable is, or it is about another one."""
        manifest = json_of(self.store, self.name(phase, shard, "json")) or {}
        is_its_own = (manifest.get("phase"), manifest.get("shard")) == (phase, shard)
        return manifest if is_its_own else None

    def is_valid(
        self, manifest: Manifest, phase: int, shard: int, rows: int, verify: bool = False
    ) -> bool:
        """Whether the shard's file is there, made by the recipe of what the phase before has now
        (given that its shards `before` are valid), with that many rows, none of which is to be done
        again.

        Its content is believed by its size, and because it was not written after its manifest.
        Where that does not hold, and with `verify`, it is hashed. Reading it whole hashes it, too.
        """
        if manifest.get("rows") != rows:  # `limit` was changed
            return False
        if manifest.get("previous") != self._previous(phase, shard):
            return False
        before = self.manifest(phase - 1, shard) or {} if phase else manifest
        if manifest.get("ids_sha256") != before.get("ids_sha256"):
            return False
        if self._is_retried(phase, manifest):
            return False
        if not self.is_of_recipe(manifest, phase):
            return False
        untouched = not verify and self._is_untouched(phase, shard, manifest)
        return untouched or self._is_whole(phase, manifest)

    def failed(self, phase: int, manifest: Manifest) -> dict[str, int]:
        """Reason -> rows of a shard that failed for it in this phase."""
        operators = self.info.phases[phase].operators
        failed: dict[str, int] = manifest.get("failed", {})
        return {why: count for why, count in failed.items() if ended_in(why, phase, operators)}

    def _is_retried(self, phase: int, manifest: Manifest) -> bool:
        """Whether rows that failed in this phase are to be done again."""
        retry = self.retry
        return retry is not None and any(map(retry.covers, self.failed(phase, manifest)))

    def before(self, phase: int, shard: int) -> list[tuple[int, int]]:
        """(phase, shard) of what a shard is made from: itself one phase earlier and, in a
        selection, the rows that came first."""
        made_from = [(phase - 1, shard)] if phase else []
        return made_from + ([(phase, shard - 1)] if shard and self._selects(phase) else [])

    def is_of_recipe(self, manifest: Manifest, phase: int, any_thresholds: bool = False) -> bool:
        """Whether the recipe would make the same, with its thresholds or with any."""
        wanted = self.info.phases[phase]
        if manifest.get("scoring") != wanted.scoring:
            return False
        return any_thresholds or manifest.get("thresholds") == wanted.thresholds

    def stored(
        self, phase: int, shard: int, leave_out: Collection[str] = ()
    ) -> tuple[Manifest, Stored]:
        """What can be decided again: the manifest and rows of a shard that the recipe would score
        the same way; both empty if there are none."""
        manifest = self.manifest(phase, shard)
        if (
            manifest is None
            or not self.is_of_recipe(manifest, phase, any_thresholds=True)
            or not self._is_whole(phase, manifest)
        ):
            return {}, Stored()
        rows = self._rows(phase, manifest, leave_out)
        return manifest, Stored({row.id: row for row in rows}, manifest.get("marks", {}))

    def read(self, shard: int, phases: int, leave_out: Collection[str] = ()) -> list[Row]:
        """A shard's rows after the first `phases` phases, with every field made so far but those to
        `leave_out`.

        Raises:
            DamagedError: a file, read whole, is not as it was written.
            StoppedError: the files of two phases hold different rows.
        """
        rows: list[Row] = []
        for phase in range(phases):
            manifest = self.manifest(phase, shard) or {}
            if leave_out:
                later = self._rows(phase, manifest, leave_out)
            else:
                later = self._all_of(phase, shard, manifest)
            if rows and [row.id for row in rows] != [row.id for row in later]:
                file = f"{self.store}/{self._data(phase, manifest)}"
                raise StoppedError(f"{file} belongs to other rows. Delete it and run again.")
            for before, after in zip(rows, later, strict=bool(rows)):
                after.values = before.values | after.values
                if "regions" not in self.info.phases[phase].columns:
                    after.regions = before.regions
            rows = later
        return rows

    def endings(self, shard: int) -> tuple[Manifest, list[tuple[str, str, str]]]:
        """After the last phase: the manifest and, of each row, id, status and reason."""
        import pyarrow.parquet as pq

        phase = len(self.info.phases) - 1
        manifest = self.manifest(phase, shard) or {}
        with self._opened(phase, manifest) as content, pq.ParquetFile(content) as file:
            columns = file.read(["id", "status", "reason"]).to_pydict()
        return manifest, list(zip(*columns.values(), strict=True))

    def write(
        self,
        phase: int,
        shard: int,
        rows: Sequence[Row],
        tallies: Sequence[Tally],
        seconds: float,
        marks: Mapping[str, str] | None = None,
        versions: Versions | None = None,
    ) -> Manifest:
        """Store what a phase made of a shard, of rows that came in with `marks`; returns its
        manifest. versions: of packages that it was made with; None: those of now."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        if phase not in self._schemas:
            self._schemas[phase] = self._schema(phase)
        pq.write_table(to_table(rows, self._schemas[phase]), sink)
        content = sink.getvalue().to_pybytes()
        before = self.manifest(phase, shard)
        manifest = {
            "phase": phase,
            "shard": shard,
            "ids_sha256": hash_of_ids([row.id for row in rows]),
            "file": f"{shard:05d}.{token_hex(4)}.parquet",
            "rows": len(rows),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "previous": self._previous(phase, shard),
            "scoring": self.info.phases[phase].scoring,
            "thresholds": self.info.phases[phase].thresholds,
            "counts": Counter(row.status for row in rows),
            "reasons": Counter(row.reason for row in rows if not row.ok),
            "failed": Counter(row.reason for row in rows if row.status == "failed"),
            "ended": {row.id: row.reason for row in rows if not row.ok},
            "samples": sum(len(row.kept_regions) for row in rows if row.ok),
            "operators": [vars(tally) for tally in tallies],
            "seconds": seconds,
            "attempt": (before or {}).get("attempt", 0) + 1,
            "marks": dict(marks or {}),
            "pairs": {} if phase else pair_digests(rows),
            "versions": self.versions() if versions is None else versions,
        }
        self.store.put(self._data(phase, manifest), content)
        self.store.replace(self.name(phase, shard, "json"), to_json(manifest, indent=None))
        if before is not None:
            self.store.delete(self._data(phase, before))
        return manifest

    def versions(self, before: Versions | None = None) -> Versions:
        """Package -> versions of now, together with those that something was made with before."""
        now = {name: [each] for name, each in self.info.versions.items() if each is not None}
        return together([now, before or {}])

    def remove_leftovers(self) -> None:
        """Delete what killed attempts left: files that no manifest names.

        Only while nobody writes here.
        """
        manifests, files = self._stored("json"), self._stored("parquet")
        named = {_named_in(_folder(name), json_of(self.store, name) or {}) for name in manifests}
        for name in set(files) - named:
            self.store.delete(name)

    def tidy(self) -> None:
        """When every shard is complete: also delete what the run does not need any more, the notes
        of workers and what another recipe made."""
        self.remove_leftovers()
        self.remove_recovery_records()
        phases = {self.folder(phase): phase for phase in range(len(self.info.phases))}
        for name in self._stored(""):
            phase = phases.get(_folder(name))
            if phase is None:
                self.store.delete(name)
            elif name.endswith(".json"):
                manifest = json_of(self.store, name) or {}
                if not self.is_of_recipe(manifest, phase, any_thresholds=True):
                    self.store.delete(name)
                    self.store.delete(self._data(phase, manifest))

    def remove_recovery_records(self) -> None:
        """Delete what workers noted down about their attempts."""
        for name in self._stored("recovery"):
            self.store.delete(name)

    def folder(self, phase: int) -> str:
        """How the names of a phase begin."""
        return f"{STAGES}{phase:02d}_{self.info.phases[phase].name}/"

    def name(self, phase: int, shard: int, suffix: str) -> str:
        return f"{self.folder(phase)}{shard:05d}.{suffix}"

    def _stored(self, suffix: str) -> list[str]:
        """Names of all phases that end so, those of another recipe among them."""
        return [name for name in self.store.list(STAGES) if name.endswith(suffix)]

    def _data(self, phase: int, manifest: Manifest) -> str:
        return _named_in(self.folder(phase), manifest)

    def _opened(self, phase: int, manifest: Manifest) -> BufferedIOBase:
        return self.store.get(self._data(phase, manifest))

    def _is_untouched(self, phase: int, shard: int, manifest: Manifest) -> bool:
        """Whether the file has the size that it was written with, and is no younger than its
        manifest, which was written after it."""
        file = self.store.stamp(self._data(phase, manifest))
        told = self.store.stamp(self.name(phase, shard, "json"))
        if file is None or told is None:
            return False
        return file[0] == manifest.get("bytes") and file[1] <= told[1]

    def _is_whole(self, phase: int, manifest: Manifest) -> bool:
        """Whether the file is there, as it was written."""
        try:
            with self._opened(phase, manifest) as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == manifest.get("sha256")
        except FileNotFoundError:
            return False

    def _rows(self, phase: int, manifest: Manifest, leave_out: Collection[str]) -> list[Row]:
        """The rows of one file, with what its phase wrote."""
        import pyarrow.parquet as pq

        with self._opened(phase, manifest) as content, pq.ParquetFile(content) as file:
            names = [name for name in file.schema_arrow.names if name not in leave_out]
            return from_table(file.read(names, use_threads=False))

    def _all_of(self, phase: int, shard: int, manifest: Manifest) -> list[Row]:
        """The rows of one file with all that is in it, which is hashed on the way."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._opened(phase, manifest) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != manifest.get("sha256"):
            raise DamagedError(f"{self.store}/{self._data(phase, manifest)}", phase, shard)
        with pq.ParquetFile(pa.BufferReader(content)) as parquet:
            return from_table(parquet.read(use_threads=False))  # a shard is small

    def _previous(self, phase: int, shard: int) -> str | None:
        """What ties a shard to the file it is made from; in a selection, to those of all shards up
        to this one."""
        if not phase:
            return None
        made_from = (self.manifest(phase - 1, shard) or {}).get("sha256")
        if not shard or not self._selects(phase):
            return made_from
        earlier = (self.manifest(phase, shard - 1) or {}).get("previous")
        return hashlib.sha256(f"{earlier} {made_from}".encode()).hexdigest()

    def _selects(self, phase: int) -> bool:
        return self.info.phases[phase].selects

    def _schema(self, phase: int) -> Any:
        """Arrow schema of a phase's files: its columns, and all scores made so far."""
        phases = self.info.phases[: phase + 1]
        so_far = {name for each in phases for name in each.operators}
        operators = [each for each in self.info.operators if each.name in so_far]
        row_scores = [score for each in operators for score in each.scores]
        region_scores = [score for each in operators for score in each.region_scores]
        written = {name for each in operators for name in each.writes}
        own = [field for field in self.info.fields if not field.of_region or field.name in written]
        return features(phases[-1].columns, row_scores, region_scores, own).arrow_schema


def _folder(name: str) -> str:
    return name.rpartition("/")[0] + "/"


def _named_in(folder: str, manifest: Manifest) -> str:
    """The name of what a manifest in that folder speaks of: it lies beside it."""
    return folder + str(manifest.get("file", "none")).rpartition("/")[2]


def together(parts: Iterable[Versions]) -> Versions:
    """The versions of all parts, each once, in order."""
    found: dict[str, set[str]] = {}
    for part in parts:
        for name, versions in part.items():
            found.setdefault(name, set()).update(versions)
    return {name: sorted(versions) for name, versions in found.items()}


def hash_of_ids(ids: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()
