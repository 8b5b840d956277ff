"""Line readers for .jsonl and .csv that know where a record stands and never lose a broken one."""

import csv
import hashlib
import json
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from imgdiff.errors import RefusedError

SUFFIXES = (".jsonl", ".csv")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
KINDS = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    type(None): "empty",
}


class InputError(RefusedError):
    """The input file as a whole cannot be used."""


class Record(NamedTuple):
    """One line of a .jsonl file, or one record of a .csv file, which may span lines."""

    line: int  # counted from 1
    offset: int  # of its first byte
    digest: str  # hash of the content
    fields: dict[str, Any]
    problem: str = ""  # why it could not be read


def kind(value: Any) -> str:
    """What a value is, in a user's words."""
    return KINDS.get(type(value), type(value).__name__)


class LineFile:
    """An open .jsonl or .csv file.

    Raises:
        InputError: not a file of these kinds, or a .csv file whose first line names no columns.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path}: expected a file whose name ends in {' or '.join(SUFFIXES)}")
        try:
            self._file: BufferedReader = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        self._header: list[str] | None = None
        if path.suffix == ".csv":
            self._header = self._read_header(path)
        self._start = (self._file.tell(), 2) if self._header else (0, 1)

    def __enter__(self) -> "LineFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of a .csv file; empty for .jsonl, where each line names its own."""
        return tuple(self._header or ())

    def sha256(self) -> str:
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def records(self, offset: int | None = None, line: int = 1) -> Iterator[Record]:
        """Every record, from the one that begins at `offset`, on line `line`; else from the first.

        Empty lines are no records.
        """
        offset, line = self._start if offset is None else (offset, line)
        self._file.seek(offset)
        return self._csv(line) if self._header else self._jsonl(line)

    def _jsonl(self, line: int) -> Iterator[Record]:
        offset = self._file.tell()
        for raw in iter(self._file.readline, b""):
            if raw.strip():
                yield _json_record(line, offset, raw)
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
                yield Record(line, offset, _digest(raw), {}, f"not valid CSV ({error})")
            line += lines

    def _reader(self) -> Any:
        return csv.reader((raw.decode() for raw in iter(self._file.readline, b"")), strict=True)

    def _csv_record(self, line: int, offset: int, cells: list[str]) -> Record:
        header = self._header or []
        digest = _digest(json.dumps(cells).encode())
        if len(cells) != len(header):
            problem = f"{len(cells)} columns, expected {len(header)}"
            return Record(line, offset, digest, {}, problem)
        fields = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        return Record(line, offset, digest, fields)

    def _read_header(self, path: Path) -> list[str]:
        if self._file.read(3) != BYTE_ORDER_MARK:
            self._file.seek(0)
        try:
            header = [name.strip() for name in next(self._reader(), [])]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:1: not valid CSV ({error})") from None
        if not header or len(set(header)) < len(header):
            raise InputError(f"{path}:1: the first line must name the columns, each once")
        return header


def _json_record(line: int, offset: int, raw: bytes) -> Record:
    raw = raw.removeprefix(BYTE_ORDER_MARK).strip()
    digest = _digest(raw)
    try:
        fields = json.loads(raw)
        json.dumps(fields, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at")
        problem = f"not valid JSON ({reason} at column {error.colno})"
        return Record(line, offset, digest, {}, problem)
    except (ValueError, RecursionError) as error:
        return Record(line, offset, digest, {}, f"not valid JSON ({error})")
    if not isinstance(fields, dict):
        return Record(line, offset, digest, {}, f"{kind(fields)}, expected a mapping")
    if not isinstance(fields.get("id"), str | int | None) or isinstance(fields.get("id"), bool):
        return Record(line, offset, digest, {}, f"id is {kind(fields['id'])}, expected text")
    return Record(line, offset, digest, fields)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
