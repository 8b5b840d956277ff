"""The dataset of a finished run: `data/` holds what was kept, `dropped/` what was refused.

Both open with `datasets.load_dataset(folder, config)`. An image is stored once, in its pair's row;
samples and regions name their pair.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgdiff.export import FinishedRun
from imgdiff.export.card import write_card
from imgdiff.export.tables import Table, tables
from imgdiff.files import swap_folder
from imgdiff.rows import Row

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

FILE_BYTES = 500 << 20  # a file that has grown past it is followed by another one
ROW_GROUP_BYTES = 64 << 20  # what waits in memory here, and what a reader takes in at a time


def write_dataset(run: FinishedRun) -> None:
    """Write `data/` and `dropped/` of a run folder, replacing earlier ones whole.

    They are built in hidden folders, shard by shard, and renamed into place at the end: an
    interrupted write leaves the earlier ones, and the next call starts afresh.
    """
    building = {folder: run.path / f".{folder}.new" for folder in ("data", "dropped")}
    for path in building.values():
        shutil.rmtree(path, ignore_errors=True)
    writers = [_TableWriter(building[table.folder], table) for table in tables(run.info)]
    for shard in range(run.shard_count):
        rows = run.rows(shard)
        for writer in writers:
            writer.add(rows)
    for writer in writers:
        writer.close()
    for folder, path in building.items():
        filled = [w.table for w in writers if w.table.folder == folder and w.files]
        write_card(path / "README.md", run, kept=folder == "data", tables=filled)
        swap_folder(path, run.path / folder)


class _TableWriter:
    """Writes the files of one table; none if it has no rows, for `datasets` refuses empty ones."""

    def __init__(self, folder: Path, table: Table) -> None:
        self.folder, self.table = folder / table.config, table
        self.folder.mkdir(parents=True)
        self.schema = table.features.arrow_schema
        self.waiting = self.schema.empty_table()
        self.files: list[Path] = []
        self.writer: ParquetWriter | None = None

    def add(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        records = [record for row in rows for record in self.table.records(row)]
        more = pa.Table.from_pylist(records, schema=self.schema)
        self.waiting = pa.concat_tables([self.waiting, more])
        if self.waiting.nbytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def close(self) -> None:
        if self.waiting.num_rows:
            self._write_row_group()
        self._close_file()
        if not self.files:
            self.folder.rmdir()

    def _write_row_group(self) -> None:
        from pyarrow.parquet import ParquetWriter

        if self.files and self.files[-1].stat().st_size >= FILE_BYTES:
            self._close_file()
        if self.writer is None:
            self.files.append(self.folder / f"{len(self.files):05d}.parquet")
            self.writer = ParquetWriter(self.files[-1], self.schema)
        self.writer.write_table(self.waiting)
        self.waiting = self.schema.empty_table()

    def _close_file(self) -> None:
        if self.writer is None:
            return
        self.writer.close()
        self.writer = None
        with self.files[-1].open("rb") as file:
            os.fsync(file.fileno())
