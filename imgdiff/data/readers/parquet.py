"""Parquet, one file or a folder of them: rows by position, never a whole file in memory."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgdiff.data.files import open_regular
from imgdiff.data.readers.base import (
    Address,
    InputError,
    Reader,
    Record,
    sha256_of,
    sha256_of_files,
)
from imgdiff.errors import RowError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BUFFER_BYTES = 1 << 20  # read ahead in each column, in place of a whole row group
ROWS, INDEX_ROWS = 8, 8192  # decoded at once: with pictures, and ids alone


class ParquetReader(Reader):
    """Rows of parquet files in the order of their names; positions count rows over all files.

    Pictures are `{bytes, path}` structs, as `datasets` stores them, bytes, or paths that start from
    the files' folder. Only columns that give a field are read.

    Raises:
        InputError: not a parquet file.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        place = address.place
        assert place is not None  # `open_input` gives a file or a folder
        self.folder = place if place.is_dir() else place.parent
        self._paths = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        self._whole_folder = place.is_dir()
        files = [self._open(path) for path in self._paths]
        self._counts = [
            [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
            for file in files
        ]
        names = (name for file in files for name in file.schema_arrow.names)
        self.columns = tuple(dict.fromkeys(names))
        for file in files:
            file.close()

    def sha256(self) -> str:
        if not self._whole_folder:
            return sha256_of(self._paths[0])
        return sha256_of_files(self.folder, (path.name for path in self._paths))

    def index(self) -> Iterator[Record]:
        return self._read({self.address.column("id", self.columns)}, 0, INDEX_ROWS)

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        return self._read(self.address.wanted, position or 0, ROWS)

    def _open(self, path: Path) -> "ParquetFile":
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            open_regular(path).close()
            return ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except (ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.address.name}: {path.name} is no parquet: {reason}") from None

    def _read(self, wanted: Collection[str], first: int, size: int) -> Iterator[Record]:
        """The rows from `first` on, some at a time; row groups before it are not touched."""
        start = 0  # of a row group
        for path, counts in zip(self._paths, self._counts, strict=True):
            if start + sum(counts) <= first:
                start += sum(counts)
                continue
            with self._open(path) as file:
                columns = [name for name in file.schema_arrow.names if name in wanted]
                for group, count in enumerate(counts):
                    if start + count > first:
                        rows = _group(file, group, columns, size)
                        yield from _numbered(rows, start, count, first)
                    start += count


def _group(
    file: "ParquetFile", group: int, columns: list[str], size: int
) -> Iterator[dict[str, Any]]:
    """The rows of a row group."""
    if not columns:
        yield from ({} for _ in range(file.metadata.row_group(group).num_rows))
        return
    for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=columns):
        yield from batch.to_pylist()


def _numbered(
    rows: Iterator[dict[str, Any]], start: int, count: int, first: int
) -> Iterator[Record]:
    """As records from `first` on; where the file is damaged, the rest of the group is lost."""
    from pyarrow import ArrowException

    problem: RowError | None = None
    for place in range(start, start + count):
        fields: dict[str, Any] = {}
        if problem is None:
            try:
                fields = next(rows)
            except (ArrowException, OSError) as error:
                reason = str(error).splitlines()[0]
                problem = RowError("input_row", f"the file is damaged here ({reason})")
        if place >= first:
            yield Record(place + 1, place, f"row-{place + 1}", fields, problem)
