"""Parquet files of one schema: a new one when the last is full, row groups that fit in memory."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

FILE_BYTES = 500 << 20  # a file that has grown past it is followed by another one
ROW_GROUP_BYTES = 64 << 20  # what waits in memory here, and what a reader takes in at a time
# records wait as they are until there are so many, or so many bytes of pictures: a table takes
# kilobytes for each of its columns, however few rows it has
RECORDS, PICTURE_BYTES = 1024, 16 << 20


class ParquetFiles:
    """Writes records to `{folder}/{prefix}00000.parquet` and so on; no file if there is none."""

    def __init__(self, folder: Path, prefix: str, schema: Any) -> None:
        self.folder, self.prefix, self.schema = folder, prefix, schema
        self.files: list[Path] = []
        self._records: list[dict[str, Any]] = []
        self._picture_bytes = 0
        self._waiting: list[Table] = []  # joined once a row group, not with every one that comes
        self._waiting_bytes = 0
        self._writer: ParquetWriter | None = None

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Add records; of each the schema picks what it names."""
        self._records += records
        self._picture_bytes += sum(map(_picture_bytes, records))
        if len(self._records) >= RECORDS or self._picture_bytes >= PICTURE_BYTES:
            self._make_table()

    def _make_table(self) -> None:
        import pyarrow as pa

        more = pa.Table.from_pylist(self._records, schema=self.schema)
        self._records, self._picture_bytes = [], 0
        self._waiting.append(more)
        self._waiting_bytes += more.nbytes
        if self._waiting_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def close(self) -> None:
        if self._records:
            self._make_table()
        if self._waiting:
            self._write_row_group()
        self._close_file()

    def _write_row_group(self) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        if self.files and self.files[-1].stat().st_size >= FILE_BYTES:
            self._close_file()
        if self._writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.files.append(self.folder / f"{self.prefix}{len(self.files):05d}.parquet")
            self._writer = ParquetWriter(self.files[-1], self.schema)
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_bytes = [], 0

    def _close_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        with self.files[-1].open("rb") as file:
            os.fsync(file.fileno())


def _picture_bytes(record: dict[str, Any]) -> int:
    """Of the pictures that lie in a record, each {"bytes": ..., "path": ...}."""
    contents = (value.get("bytes") for value in record.values() if isinstance(value, dict))
    return sum(len(content) for content in contents if isinstance(content, bytes))
