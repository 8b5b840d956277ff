"""Lines of .txt, .jsonl and .csv: each knows where it stands, and a broken one is never lost."""

import csv
import hashlib
import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, ClassVar

from imgdiff.data.files import open_regular
from imgdiff.data.readers.base import Address, InputError, Reader, Record, kind
from imgdiff.errors import RowError

TEXT_COLUMNS = ("caption",)  # of a .txt file
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineReader(Reader):
    """An open .txt file, a caption a line; or a .jsonl or .csv file, of which a record of the
    latter may span lines. Positions are bytes.

    Raises:
        InputError: it cannot be opened, or is a .csv file whose first line names no columns.
    """

    numbers: ClassVar[str] = "on lines"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        path = address.place
        assert path is not None  # `open_input` gives a file
        self.folder = path.parent
        try:
            self._file: BufferedReader = open_regular(path)
        except OSError as error:
            raise InputError(f"{address.name}: {error.strerror}") from None
        self._header: list[str] | None = None
        if path.suffix == ".csv":
            self._header = self._read_header()
        self._of_line = _text_record if path.suffix == ".txt" else _json_record
        self.columns = TEXT_COLUMNS if path.suffix == ".txt" else tuple(self._header or ())
        self._start = (self._file.tell(), 2) if self._header else (0, 1)

    def close(self) -> None:
        self._file.close()

    def where(self, record: Record) -> str:
        return f"{self.address.name}:{record.number}"

    def sha256(self) -> str:
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        """Empty lines are no records."""
        offset, line = self._start if position is None else (position, number)
        self._file.seek(offset)
        return self._csv(line) if self._header else self._lines(line)

    def _lines(self, line: int) -> Iterator[Record]:
        offset = self._file.tell()
        for raw in iter(self._file.readline, b""):
            if raw.strip():
                yield self._of_line(line, offset, raw)
            offset, line = offset + len(raw), line + 1

    def _csv(self, line: int) -> Iterator[Record]:
        """A broken record costs one line: reading goes on with the next, though a quote be open."""
        while True:
            offset = self._file.tell()
            reader = self._reader()
            try:
                cells = next(reader)
                lines = reader.line_num
                if cells:
                    yield self._csv_record(line, offset, cells)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError) as error:
                self._file.seek(offset)
                raw, lines = self._file.readline(), 1
                yield _broken(line, offset, raw, f"not valid CSV ({error})")
            line += lines

    def _reader(self) -> Any:
        return csv.reader((raw.decode() for raw in iter(self._file.readline, b"")), strict=True)

    def _csv_record(self, line: int, offset: int, cells: list[str]) -> Record:
        header = self._header or []
        content = json.dumps(cells).encode()
        if len(cells) != len(header):
            problem = f"{len(cells)} columns, expected {len(header)}"
            return _broken(line, offset, content, problem)
        fields = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        return Record(line, offset, _digest(content), fields)

    def _read_header(self) -> list[str]:
        if self._file.read(3) != BYTE_ORDER_MARK:
            self._file.seek(0)
        try:
            header = [name.strip() for name in next(self._reader(), [])]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{self.address.name}:1: not valid CSV ({error})") from None
        if not header or len(set(header)) < len(header):
            raise InputError(
                f"{self.address.name}:1: the first line must name the columns, each once"
            )
        return header


def _text_record(line: int, offset: int, raw: bytes) -> Record:
    raw = raw.removeprefix(BYTE_ORDER_MARK).strip()
    try:
        return Record(line, offset, _digest(raw), {"caption": raw.decode()})
    except UnicodeDecodeError as error:
        return _broken(line, offset, raw, f"not text in UTF-8 ({error.reason})")


def _json_record(line: int, offset: int, raw: bytes) -> Record:
    raw = raw.removeprefix(BYTE_ORDER_MARK).strip()
    try:
        fields = json.loads(raw)
        json.dumps(fields, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at")
        problem = f"not valid JSON ({reason} at column {error.colno})"
        return _broken(line, offset, raw, problem)
    except (ValueError, RecursionError) as error:
        return _broken(line, offset, raw, f"not valid JSON ({error})")
    if not isinstance(fields, dict):
        return _broken(line, offset, raw, f"{kind(fields)}, expected a mapping")
    return Record(line, offset, _digest(raw), fields)


def _broken(line: int, offset: int, content: bytes, problem: str) -> Record:
    return Record(line, offset, _digest(content), {}, RowError("input_line", problem))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
