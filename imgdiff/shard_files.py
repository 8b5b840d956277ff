"""The files of a run's shards: parquet written whole, then the manifest that says it counts."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from imgdiff.engines import SELECTION, Tally
from imgdiff.errors import StoppedError
from imgdiff.files import TEMPORARY, write_atomic
from imgdiff.rows import Row, features, from_table, to_table

Manifest = dict[str, Any]


class ShardFiles:
    """Reads and writes shards of a run folder. Any process that sees the folder may do so.

    Every attempt at a shard writes a file of its own, and the manifest, replaced in one move, names
    the one that counts: a worker that was given up and still runs can spoil nothing.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info

    def manifest(self, phase: int, shard: int) -> Manifest | None:
        """What is said about a shard; None if nothing readable is."""
        return read_json(self._place(phase, shard, "json"))

    def is_valid(self, manifest: Manifest, phase: int, shard: int, rows: int) -> bool:
        """Whether the shard's file is there, as it was written, made of what the phase before has
        now (given that its shards `before` are valid), with that many rows."""
        if manifest.get("rows") != rows:  # `limit` was raised
            return False
        if manifest.get("previous") != self._previous(phase, shard):
            return False
        file = self._data(phase, manifest)
        if not file.is_file():
            return False
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == manifest.get("sha256")

    def before(self, phase: int, shard: int) -> list[tuple[int, int]]:
        """(phase, shard) of what a shard is made from: itself one phase earlier and, in a
        selection, the rows that came first."""
        made_from = [(phase - 1, shard)] if phase else []
        return made_from + ([(phase, shard - 1)] if shard and self._selects(phase) else [])

    def read(self, shard: int, phases: int, leave_out: Collection[str] = ()) -> list[Row]:
        """A shard's rows after the first `phases` phases, with every field made so far but those to
        `leave_out`.

        Raises:
            StoppedError: the files of two phases hold different rows.
        """
        import pyarrow.parquet as pq

        rows: list[Row] = []
        for phase in range(phases):
            file = self._data(phase, self.manifest(phase, shard) or {})
            columns = [name for name in self._schema(phase).names if name not in leave_out]
            later = from_table(pq.read_table(file, columns=columns))
            if rows and [row.id for row in rows] != [row.id for row in later]:
                raise StoppedError(f"{file} belongs to other rows. Delete it and run again.")
            for before, after in zip(rows, later, strict=bool(rows)):
                after.values = before.values | after.values
                if "regions" not in self.info["phases"][phase]["columns"]:
                    after.regions = before.regions
            rows = later
        return rows

    def write(
        self, phase: int, shard: int, rows: Sequence[Row], tallies: Sequence[Tally], seconds: float
    ) -> Manifest:
        """Store what a phase made of a shard; returns its manifest."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(to_table(rows, self._schema(phase)), sink)
        content = sink.getvalue().to_pybytes()
        before = self.manifest(phase, shard)
        manifest = {
            "file": f"{shard:05d}.{token_hex(4)}.parquet",
            "rows": len(rows),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "previous": self._previous(phase, shard),
            "counts": Counter(row.status for row in rows),
            "reasons": Counter(row.reason for row in rows if not row.ok),
            "ended": {row.id: row.reason for row in rows if not row.ok},
            "samples": sum(len(row.kept_regions) for row in rows if row.ok),
            "operators": [vars(tally) for tally in tallies],
            "seconds": seconds,
            "attempt": (before or {}).get("attempt", 0) + 1,
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
        """When every shard is complete: also delete what workers noted down for an attempt that
        is not needed any more."""
        self.remove_leftovers()
        for crumb in self.path.glob("stages/*/*.crumb"):
            crumb.unlink()

    def folder(self, phase: int) -> Path:
        return self.path / "stages" / f"{phase:02d}_{self.info['phases'][phase]['name']}"

    def _place(self, phase: int, shard: int, suffix: str) -> Path:
        return self.folder(phase) / f"{shard:05d}.{suffix}"

    def _data(self, phase: int, manifest: Manifest) -> Path:
        return self.folder(phase) / str(manifest.get("file", "none"))

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
        return bool(self.info["phases"][phase]["name"] == SELECTION)

    def _schema(self, phase: int) -> Any:
        """Arrow schema of a phase's files: its columns, and all scores made so far."""
        phases = self.info["phases"][: phase + 1]
        so_far = {name for each in phases for name in each["operators"]}
        operators = [each for each in self.info["operators"] if each["name"] in so_far]
        row_scores = [score for each in operators for score in each["scores"]]
        region_scores = [score for each in operators for score in each["region_scores"]]
        return features(phases[-1]["columns"], row_scores, region_scores).arrow_schema


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def to_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
