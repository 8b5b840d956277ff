"""The input file: every line becomes a row, or a row's ending, never silence."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

from imgdiff.errors import RowError
from imgdiff.lines import InputError, LineFile, Record, kind
from imgdiff.rows import INPUT_FIELDS, Row, derive_seed

OPERATOR = "input"  # what the reasons of this module begin with
ALIASES = {"caption": "caption_a"}
KNOWN = frozenset(("id", *ALIASES, *INPUT_FIELDS))
PEEKED_RECORDS = 100
BYTES_PER_PIXEL = 8  # no picture of the formats we read needs more: 16 bit, four channels


@dataclass(frozen=True)
class Demand:
    """What a recipe wants from the input.

    needed: fields that it reads before it makes them; a row without one has ended.
    made: fields that it makes itself, so that the input's are not read.
    """

    seed: int
    max_pixels: int
    needed: frozenset[str]
    made: frozenset[str]


class Input:
    """An input file, read once from end to end; its rows are then read by position.

    ids: one per row, unique. columns: the fields of a row that the file has.
    ignored: names of columns that are no fields.
    """

    def __init__(self, path: Path) -> None:
        """Read the whole file once.

        Raises:
            InputError: not a file that we read, no rows in it, or an id on two lines.
        """
        self.path = path
        self.ids: list[str] = []
        self._offsets, self._lines = array("Q"), array("Q")
        repeats: Counter[str] = Counter()
        with LineFile(path) as file:
            self.sha256 = file.sha256()
            seen = set(file.header)
            for record in file.records():
                seen.update(record.fields)
                self.ids.append(_id(record, repeats))
                self._offsets.append(record.offset)
                self._lines.append(record.line)
        if not self.ids:
            raise InputError(f"{path} has no rows")
        self._refuse_repeated_ids()
        self.columns = _columns(seen)
        self.ignored = sorted(seen - KNOWN)

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int) -> "Part":
        """Rows from `start` up to `stop`, to be read by whoever gets it."""
        place = self.path.absolute()  # a worker may stand in another folder
        ids = self.ids[start:stop]
        return Part(self.path, place, ids, self._offsets[start], self._lines[start])

    def _refuse_repeated_ids(self) -> None:
        first: dict[str, int] = {}
        for id_, line in zip(self.ids, self._lines, strict=True):
            if id_ in first:
                places = f"lines {first[id_]} and {line}"
                raise InputError(
                    f'{self.path}: id "{id_}" appears on {places}. Ids must be unique.'
                )
            first[id_] = line


@dataclass(frozen=True)
class Part:
    """Some rows of an input file.

    path: as a person named the file. place: where it is. ids: of the rows. offset, line: where the
    first one begins, in bytes and lines.
    """

    path: Path
    place: Path
    ids: list[str]
    offset: int
    line: int

    def rows(self, demand: Demand) -> list[Row]:
        """The rows, pictures read; a row that cannot be used has ended."""
        with LineFile(self.place) as file:
            records = file.records(self.offset, self.line)
            pairs = zip(self.ids, islice(records, len(self.ids)), strict=True)
            return [self._row(id_, record, demand) for id_, record in pairs]

    def _row(self, id_: str, record: Record, demand: Demand) -> Row:
        row = Row(id=id_, seed=derive_seed(demand.seed, id_))
        place = f"{self.path}:{record.line}"
        try:
            if record.problem:
                raise RowError("input_line", record.problem)
            row.values = _values(record.fields, self.place.parent, demand)
            sizes = _image_sizes(row, demand.max_pixels)
        except RowError as error:
            row.fail(OPERATOR, error.code, f"{place}: {error}")
            return row
        for name in sorted(demand.needed - row.values.keys()):
            if name.startswith("caption"):
                row.reject(OPERATOR, "caption_empty", f"{place}: {name} is empty")
            else:
                row.fail(OPERATOR, f"{name.split('_')[0]}_missing", f"{place}: no {name}")
        if len(set(sizes)) > 1:
            given = " and ".join(f"{width} x {height}" for height, width in sizes)
            row.reject(OPERATOR, "pair_size_differs", f"{place}: images are {given}")
        return row


def peek(path: Path) -> frozenset[str]:
    """The fields of a row that the first records of a file have."""
    with LineFile(path) as file:
        records = islice(file.records(), PEEKED_RECORDS)
        names = set(file.header).union(*(record.fields for record in records))
    return frozenset(_columns(names))


def _columns(names: Iterable[str]) -> tuple[str, ...]:
    given = {ALIASES.get(name, name) for name in names}
    return tuple(name for name in INPUT_FIELDS if name in given)


def _id(record: Record, repeats: Counter[str]) -> str:
    """The given id, else a hash of the content; equal lines without ids differ by their order."""
    given = record.fields.get("id")
    if given not in (None, ""):
        return str(given)
    repeats[record.digest] += 1
    count = repeats[record.digest]
    return record.digest if count == 1 else f"{record.digest}-{count}"


def _values(fields: dict[str, Any], folder: Path, demand: Demand) -> dict[str, Any]:
    """The fields of a row, as far as the record gives them and the recipe does not make them.

    Raises:
        RowError: one of them cannot be used.
    """
    renamed = {ALIASES.get(name, name): value for name, value in fields.items()}
    values: dict[str, Any] = {}
    for name in INPUT_FIELDS:
        value = renamed.get(name)
        if value is None or value == "" or name in demand.made:
            continue
        if name.startswith("caption"):
            if text := _caption(name, value):
                values[name] = text
        elif name == "edit":
            values[name] = _edit(value)
        else:
            values[name] = _picture(name, value, folder, demand.max_pixels)
    return values


def _caption(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RowError("caption_type", f"{name} is {kind(value)}, expected text")
    return value.strip()


def _edit(value: Any) -> dict[str, str]:
    keys = ("kind", "source", "target")
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in keys):
        raise RowError("edit_form", f"edit is {kind(value)}, expected {', '.join(keys)} as texts")
    return {key: value[key] for key in keys}


def _picture(name: str, value: Any, folder: Path, max_pixels: int) -> dict[str, Any]:
    """The file's bytes; its path must stay in the input's folder, whatever links do."""
    if not isinstance(value, str):
        raise RowError("image_path", f"{name} is {kind(value)}, expected a path")
    outside = RowError("path_outside", f"image path {value} is outside the input's folder")
    if PureWindowsPath(value).drive or "\\" in value or "\0" in value:
        raise outside
    path = (folder / value).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise outside
    try:
        if path.stat().st_size > max_pixels * BYTES_PER_PIXEL:
            raise RowError("image_too_large", f"{value} is too large for {max_pixels} pixels")
        return {"bytes": path.read_bytes(), "path": value}
    except OSError as error:
        raise RowError("image_missing", f"cannot read {value}: {error.strerror}") from None


def _image_sizes(row: Row, max_pixels: int) -> list[tuple[int, int]]:
    """Height and width of the row's pictures, decoded here so that broken ones go no further."""
    from imgdiff.images import load_rgb

    names = [name for name in ("image_a", "image_b") if name in row.values]
    shapes = [load_rgb(row.values[name], max_pixels).shape for name in names]
    return [(shape[0], shape[1]) for shape in shapes]
