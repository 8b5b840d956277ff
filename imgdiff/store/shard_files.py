"""The files of a run's shards: parquet written whole, then the manifest that says it counts."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from imgdiff.data.fields import own_fields
from imgdiff.data.rows import Row, features, from_table, to_table
from imgdiff.errors import StoppedError
from imgdiff.store.files import TEMPORARY, write_atomic
from imgdiff.store.tally import Tally

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """What a phase made of a shard, by the same operators on thresholds that may have been moved.

    rows: id -> the row with what this phase wrote. marks: id -> `mark` of the row that came in, for
    rows that came in ok.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


class ShardFiles:
    """Reads and writes shards of a run folder. Any process that sees the folder may do so.

    Every attempt at a shard writes a file of its own, and the manifest, replaced in one move, names
    the one that counts: a worker that was given up and still runs can spoil nothing.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info

    def manifest(self, phase: int, shard: int) -> Manifest | None:
        """What is said about a shard; None if nothing readable is, or it is about another one."""
        manifest = read_json(self._place(phase, shard, "json")) or {}
        is_its_own = (manifest.get("phase"), manifest.get("shard")) == (phase, shard)
        return manifest if is_its_own else None

    def is_valid(self, manifest: Manifest, phase: int, shard: int, rows: int) -> bool:
        """Whether the shard's file is there, as it was written, made by the recipe of what the
        phase before has now (given that its shards `before` are valid), with that many rows."""
        if manifest.get("rows") != rows:  # `limit` was changed
            return False
        if manifest.get("previous") != self._previous(phase, shard):
            return False
        before = self.manifest(phase - 1, shard) or {} if phase else manifest
        if manifest.get("ids_sha256") != before.get("ids_sha256"):
            return False
        return self.is_of_recipe(manifest, phase) and self._is_whole(phase, manifest)

    def before(self, phase: int, shard: int) -> list[tuple[int, int]]:
        """(phase, shard) of what a shard is made from: itself one phase earlier and, in a
        selection, the rows that came first."""
        made_from = [(phase - 1, shard)] if phase else []
        return made_from + ([(phase, shard - 1)] if shard and self._selects(phase) else [])

    def is_of_recipe(self, manifest: Manifest, phase: int, any_thresholds: bool = False) -> bool:
        """Whether the recipe would make the same, with its thresholds or with any."""
        wanted = self.info["phases"][phase]
        keys = ("scoring",) if any_thresholds else ("scoring", "thresholds")
        return all(manifest.get(key) == wanted.get(key) for key in keys)

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
            StoppedError: the files of two phases hold different rows.
        """
        rows: list[Row] = []
        for phase in range(phases):
            manifest = self.manifest(phase, shard) or {}
            file, later = self._data(phase, manifest), self._rows(phase, manifest, leave_out)
            if rows and [row.id for row in rows] != [row.id for row in later]:
                raise StoppedError(f"{file} belongs to other rows. Delete it and run again.")
            for before, after in zip(rows, later, strict=bool(rows)):
                after.values = before.values | after.values
                if "regions" not in self.info["phases"][phase]["columns"]:
                    after.regions = before.regions
            rows = later
        return rows

    def endings(self, shard: int) -> tuple[Manifest, list[tuple[str, str, str]]]:
        """After the last phase: the manifest and, of each row, id, status and reason."""
        import pyarrow.parquet as pq

        phase = len(self.info["phases"]) - 1
        manifest = self.manifest(phase, shard) or {}
        with pq.ParquetFile(self._data(phase, manifest)) as file:
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
    ) -> Manifest:
        """Store what a phase made of a shard, of rows that came in with `marks`; returns its
        manifest."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(to_table(rows, self._schema(phase)), sink)
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
            "scoring": self.info["phases"][phase].get("scoring"),
            "thresholds": self.info["phases"][phase].get("thresholds"),
            "counts": Counter(row.status for row in rows),
            "reasons": Counter(row.reason for row in rows if not row.ok),
            "ended": {row.id: row.reason for row in rows if not row.ok},
            "samples": sum(len(row.kept_regions) for row in rows if row.ok),
            "operators": [vars(tally) for tally in tallies],
            "seconds": seconds,
            "attempt": (before or {}).get("attempt", 0) + 1,
            "marks": dict(marks or {}),
        }
        target = self._place(phase, shard, "json")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._data(phase, manifest), content)
        write_atomic(target, to_json(manifest))
        if before is not None:
            self._data(phase, before).unlink(missing_ok=True)
        return manifest

    def remove_leftovers(self) -> None:
        """Delete what killed attempts left: temporary files, and files that no manifest names.

        Only while nobody writes here.
        """
        for leftover in self.path.rglob(f"*{TEMPORARY}"):
            leftover.unlink()
        for manifests in self.path.glob("stages/*"):
            named = {(read_json(path) or {}).get("file") for path in manifests.glob("*.json")}
            for file in manifests.glob("*.parquet"):
                if file.name not in named:
                    file.unlink()

    def tidy(self) -> None:
        """When every shard is complete: also delete what the run does not need any more, the notes
        of workers and what another recipe made."""
        self.remove_leftovers()
        self.remove_recovery_records()
        phases = {self.folder(phase): phase for phase in range(len(self.info["phases"]))}
        for folder in self.path.glob("stages/*"):
            if folder not in phases:
                shutil.rmtree(folder)
                continue
            for path in folder.glob("*.json"):
                manifest = read_json(path) or {}
                if not self.is_of_recipe(manifest, phases[folder], any_thresholds=True):
                    path.unlink()
                    self._data(phases[folder], manifest).unlink(missing_ok=True)

    def remove_recovery_records(self) -> None:
        """Delete what workers noted down about their attempts."""
        for record in self.path.glob("stages/*/*.recovery"):
            record.unlink()

    def folder(self, phase: int) -> Path:
        return self.path / "stages" / f"{phase:02d}_{self.info['phases'][phase]['name']}"

    def _place(self, phase: int, shard: int, suffix: str) -> Path:
        return self.folder(phase) / f"{shard:05d}.{suffix}"

    def _data(self, phase: int, manifest: Manifest) -> Path:
        return self.folder(phase) / Path(str(manifest.get("file", "none"))).name

    def _is_whole(self, phase: int, manifest: Manifest) -> bool:
        """Whether the file is there, as it was written."""
        file = self._data(phase, manifest)
        if not file.is_file():
            return False
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == manifest.get("sha256")

    def _rows(self, phase: int, manifest: Manifest, leave_out: Collection[str]) -> list[Row]:
        """The rows of one file, with what its phase wrote."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._data(phase, manifest)) as file:
            names = [name for name in file.schema_arrow.names if name not in leave_out]
            return from_table(file.read(names))

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
        return bool(self.info["phases"][phase].get("selects"))

    def _schema(self, phase: int) -> Any:
        """Arrow schema of a phase's files: its columns, and all scores made so far."""
        phases = self.info["phases"][: phase + 1]
        so_far = {name for each in phases for name in each["operators"]}
        operators = [each for each in self.info["operators"] if each["name"] in so_far]
        row_scores = [score for each in operators for score in each["scores"]]
        region_scores = [score for each in operators for score in each["region_scores"]]
        written = {name for each in operators for name in each["writes"]}
        own = [
            field for field in own_fields(self.info) if not field.of_region or field.name in written
        ]
        return features(phases[-1]["columns"], row_scores, region_scores, own).arrow_schema


def hash_of_ids(ids: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def to_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
