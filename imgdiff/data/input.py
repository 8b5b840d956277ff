"""The input: every record becomes a row, or a row's ending, never silence."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from imgdiff.data.decontamination import KeptOut
from imgdiff.data.fields import INT32, INTEGER, PICTURE, TEXT, Field, pictures
from imgdiff.data.files import NotAFileError, inside, read_regular
from imgdiff.data.readers import open_input
from imgdiff.data.readers.base import Address, InputError, Reader, Record, kind
from imgdiff.data.rows import Row, derive_seed
from imgdiff.data.stamps import Stamp, changed, newest
from imgdiff.errors import RowError
from imgdiff.text.words import WORD

OPERATOR = "input"  # what the reasons of this module begin with
PEEKED_RECORDS = 100
BYTES_PER_PIXEL = 8  # no picture of the formats we read needs more: 16 bit, four channels
MOST_NAMES = 1000  # in one list, such as objects: these are counted in pairs
CAPTIONS = ("caption_a", "caption_b")
MOST_TOLD = 5  # words, in one message
SAME_ASPECT = 0.02  # how far two ratios of width to height may lie apart, as a share


@dataclass(frozen=True)
class KnownWords:
    """The words that captions may have, lower case, and what to do about others: how the message on
    a caption ends that has some."""

    words: frozenset[str]
    way_out: str

    def problem(self, captions: Iterable[str]) -> str | None:
        """What is wrong with captions, as the end of a sentence; None if nothing is."""
        words = (word.group().lower() for text in captions for word in WORD.finditer(text))
        unknown = dict.fromkeys(word for word in words if word not in self.words)
        named = ", ".join(list(unknown)[:MOST_TOLD])
        return f"{named}, {self.way_out}" if unknown else None


@dataclass(frozen=True)
class Demand:
    """What a recipe wants from the input.

    needed: fields that it reads before it makes them; a row without one has ended.
    made: fields that it makes itself, so that the input's are not read.
    fit: whether an image B of another size is brought to A's. known: what captions may say; None:
    anything. kept_out: sets that models are tested on.
    """

    seed: int
    max_pixels: int
    needed: frozenset[str]
    made: frozenset[str]
    fit: bool = False
    known: KnownWords | None = None
    kept_out: KeptOut | None = None


class Input:
    """An input, read once from end to end; its rows are then read by position.

    path: as a person named it. ids: one per row, unique. columns: the fields of a row that it has.
    ignored: names of columns that are no fields. unused: files that belong to no row.
    """

    def __init__(self, address: Address) -> None:
        """Read the whole input once.

        Raises:
            InputError: not an input that we read, no rows in it, or an id on two of them.
        """
        self.address, self.path = address, address.name
        self.ids: list[str] = []
        self._positions, self._numbers = array("Q"), array("Q")
        touched = 0 if address.place is None else newest([address.place])  # before it is read
        repeats: Counter[str] = Counter()
        with open_input(address) as reader:
            self.sha256 = reader.sha256()
            seen = set(reader.columns)
            for record in reader.index():
                seen.update(record.fields)
                self.ids.append(_id(record, address, repeats))
                self._positions.append(record.position)
                self._numbers.append(record.number)
            self._refuse_repeated_ids(reader)
            self.unused = reader.unused
        self.stamp = Stamp(touched, self.sha256)
        if not self.ids:
            raise InputError(f"{self.path} has no rows")
        self.columns = fields_of(seen, address)
        self.ignored = sorted(seen - address.wanted)

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int) -> "InputPart":
        """Rows from `start` up to `stop`, to be read by whoever gets it."""
        ids = self.ids[start:stop]
        first = self._positions[start], self._numbers[start]
        return InputPart(self.address, ids, *first, self.stamp)

    def refuse_without(self, needed: Collection[str]) -> None:
        """Raise InputError if a needed field has no column: every row would end for it."""
        if missing := sorted(set(needed) - set(self.columns)):
            names = ", ".join([*self.columns, *self.ignored])
            text = f"gives no {', '.join(missing)}, which the recipe needs. It has {names};"
            raise InputError(f"{self.path} {text} if one of these is meant, say so under columns.")

    def _refuse_repeated_ids(self, reader: Reader) -> None:
        first: dict[str, int] = {}
        for id_, number in zip(self.ids, self._numbers, strict=True):
            if id_ in first:
                places = f"{reader.numbers} {first[id_]} and {number}"
                raise InputError(f'{self.path}: id "{id_}" appears {places}. Ids must be unique.')
            first[id_] = number


@dataclass(frozen=True)
class InputPart:
    """Some rows of an input.

    ids: of the rows. position, number: of the first one, see `imgdiff.data.readers.base.Record`.
    stamp: of the input as the run found it.
    """

    address: Address
    ids: list[str]
    position: int
    number: int
    stamp: Stamp

    def rows(self, demand: Demand, reader: Reader | None = None) -> list[Row]:
        """The rows, pictures read; a row that cannot be used has ended.

        Args:
            reader: of the address, if it is open already: to find its way in a large input takes a
                while.

        Raises:
            StoppedError: the input is not what it was when the run began.
        """
        rows: list[Row] = []
        files: set[str] = set()
        with nullcontext(reader) if reader else open_input(self.address) as opened:
            for record in islice(opened.records(self.position, self.number), len(self.ids)):
                id_ = self.ids[len(rows)]
                if (_given_id(record, self.address) or id_) != id_:
                    raise changed(self.address)
                files |= _files_of(record, self.address)
                rows.append(self._row(id_, record, opened, demand))
        if len(rows) < len(self.ids):
            raise changed(self.address)
        self.stamp.refuse_touched(self.address, files)  # what was edited meanwhile is not stored
        return rows

    def _row(self, id_: str, record: Record, reader: Reader, demand: Demand) -> Row:
        row = Row(id=id_, seed=derive_seed(demand.seed, id_))
        place = reader.where(record)
        try:
            if record.problem:
                raise record.problem
            row.values = _values(record.fields, self.address, reader.folder, demand)
            decoded = _decode(row, place, demand, pictures(self.address.fields))
        except RowError as error:
            row.fail(OPERATOR, error.code, f"{place}: {error}")
            return row
        for name in sorted(demand.needed - row.values.keys()):
            if self.address.fields[name].kind == TEXT:
                row.reject(OPERATOR, f"{_stem(name)}_empty", f"{place}: {name} is empty")
            else:
                row.fail(OPERATOR, f"{_stem(name)}_missing", f"{place}: no {name}")
        captions = {name: row[name] for name in CAPTIONS if name in row.values}
        if row.ok and demand.kept_out and (found := demand.kept_out.problem(captions, decoded)):
            row.reject(OPERATOR, found[0], f"{place}: {found[1]}")
        if row.ok and demand.known and (told := demand.known.problem(captions.values())):
            row.reject(OPERATOR, "caption_words_unknown", f"{place}: the caption says {told}")
        return row


def _files_of(record: Record, address: Address) -> set[str]:
    """Paths of the pictures of a record."""
    columns = (address.column(name, record.fields) for name in pictures(address.fields))
    return {path for column in columns if isinstance(path := record.fields.get(column), str)}


def peek(address: Address) -> frozenset[str]:
    """The names of the columns, from the first records if the input has no list of them.

    Raises:
        InputError: not an input that we read, or no rows in it.
    """
    with open_input(address) as reader:
        if reader.columns:
            return frozenset(reader.columns)
        records = list(islice(reader.records(), PEEKED_RECORDS))
        if not records:
            raise InputError(f"{address.name} has no rows")
        return frozenset().union(*(record.fields for record in records))


def peek_captions(address: Address) -> list[str]:
    """Those of the first records that have one."""
    with open_input(address) as reader:
        records = [record.fields for record in islice(reader.records(), PEEKED_RECORDS)]
    texts = (fields.get(address.column("caption_a", fields)) for fields in records)
    return [text for text in texts if isinstance(text, str) and text.strip()]


def fields_of(columns: Collection[str], address: Address) -> tuple[str, ...]:
    """The fields of a row that columns of these names give."""
    return tuple(name for name in address.fields if address.column(name, columns) in columns)


def _given_id(record: Record, address: Address) -> str | None:
    """The record's own id, if it has one that can be used."""
    given = record.fields.get(address.column("id", record.fields))
    usable = isinstance(given, str | int) and not isinstance(given, bool) and given != ""
    return str(given) if usable else None


def _id(record: Record, address: Address, repeats: Counter[str]) -> str:
    """The given id, else the record's label; equal ones differ by their order."""
    if (given := _given_id(record, address)) is not None:
        return given
    repeats[record.label] += 1
    count = repeats[record.label]
    return record.label if count == 1 else f"{record.label}-{count}"


def _values(
    fields: dict[str, Any], address: Address, folder: Path, demand: Demand
) -> dict[str, Any]:
    """The fields of a row, as far as the record gives them and the recipe does not make them.

    Raises:
        RowError: one of them cannot be used.
    """
    given = {name: fields.get(address.column(name, fields)) for name in ("id", *address.fields)}
    if not isinstance(given["id"], str | int | None) or isinstance(given["id"], bool):
        raise RowError("id_type", f"id is {kind(given['id'])}, expected text")
    values: dict[str, Any] = {}
    for name, field in address.fields.items():
        value = given[name]
        if value is None or value == "" or name in demand.made:
            continue
        if field.kind == PICTURE:
            values[name] = _picture(name, value, folder, demand.max_pixels)
        elif (read := _value(field, value)) != "":
            values[name] = read
    return values


def _stem(name: str) -> str:
    """What the codes of a field begin with: caption for caption_a and caption_b."""
    return name.removesuffix("_a").removesuffix("_b")


def _value(field: Field, value: Any) -> Any:
    """A value of a field as a row holds it.

    Raises:
        RowError: it is of another kind.
    """
    if field.kind == TEXT:
        return _text(field.name, value)
    if field.kind == [TEXT]:
        return _names(field.name, value)
    if isinstance(field.kind, dict):
        return _texts(field.name, list(field.kind), value)
    return _number(field, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RowError(f"{_stem(name)}_type", f"{name} is {kind(value)}, expected text")
    return value.strip()


def _texts(name: str, keys: list[str], value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in keys):
        text = f"{name} is {kind(value)}, expected {', '.join(keys)} as texts"
        raise RowError(f"{_stem(name)}_form", text)
    return {key: value[key] for key in keys}


def _names(name: str, value: Any) -> list[str]:
    """Names, each once: a list of them, or a text with commas, as a .csv file has it."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list):
        text = f"{name} is {kind(value)}, expected a list of names"
        raise RowError(f"{_stem(name)}_form", text)
    for each in names:
        if not isinstance(each, str):
            text = f"{name} holds {kind(each)}, expected names alone"
            raise RowError(f"{_stem(name)}_form", text)
    found = list(dict.fromkeys(each for given in names if (each := given.strip())))
    if len(found) > MOST_NAMES:
        text = f"{name} holds {len(found):,} names, at most {MOST_NAMES:,} are taken"
        raise RowError(f"{_stem(name)}_many", text)
    return found


def _number(field: Field, value: Any) -> float:
    """A number, or a text that is one, as a .csv file has it."""
    whole = field.kind in (INTEGER, INT32)
    try:
        number = (int if whole else float)(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
        expected = "a whole number" if whole else "a number"
        text = f"{field.name} is {kind(value)}, expected {expected}"
        raise RowError(f"{_stem(field.name)}_type", text)
    return number


def _picture(name: str, value: Any, folder: Path, max_pixels: int) -> dict[str, Any]:
    """A picture's bytes: given, as a table can, or those of a file in the input's folder."""
    stored = {"bytes": value, "path": None} if isinstance(value, bytes) else value
    if isinstance(stored, dict) and isinstance(stored.get("bytes"), bytes):
        path = stored.get("path")
        picture = {"bytes": stored["bytes"], "path": path if isinstance(path, str) else None}
        if len(picture["bytes"]) > max_pixels * BYTES_PER_PIXEL:
            raise RowError("image_too_large", f"{name} is too large for {max_pixels} pixels")
        return picture
    value = stored.get("path") if isinstance(stored, dict) else stored
    if not isinstance(value, str):
        raise RowError("image_path", f"{name} is {kind(value)}, expected a path")
    most = max_pixels * BYTES_PER_PIXEL
    try:
        content = read_regular(inside(folder, value), most)
    except NotAFileError as error:
        raise RowError("image_no_file", f"cannot read {value}: {error.strerror}") from None
    except OSError as error:
        raise RowError("image_missing", f"cannot read {value}: {error.strerror}") from None
    if len(content) > most:
        raise RowError("image_too_large", f"{value} is too large for {max_pixels} pixels")
    return {"bytes": content, "path": value}


def _decode(row: Row, place: str, demand: Demand, names: Collection[str]) -> dict[str, Any]:
    """Decode the row's pictures, which are returned by name, and see to the sizes of the pair.

    Broken ones go no further, and of the others what they tell beside their pixels does not.
    names: of the fields that are pictures.
    """
    from imgdiff.data.images import encode_png, resize, take_in

    read = {name: row.values.pop(name) for name in list(row.values) if name in names}
    decoded, problems = {}, []
    for name, image in read.items():
        try:
            decoded[name], row[name] = take_in(image, name, demand.max_pixels)
        except RowError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    pair = [decoded[name] for name in ("image_a", "image_b") if name in decoded]
    sizes = [(picture.shape[1], picture.shape[0]) for picture in pair]
    if len(set(sizes)) < 2:
        return decoded
    (wide, high), (other_wide, other_high) = sizes
    given = f"images are {wide} x {high} and {other_wide} x {other_high}"
    if not demand.fit:
        row.reject(OPERATOR, "pair_size_differs", f"{place}: {given}")
    elif abs(wide * other_high / (high * other_wide) - 1) > SAME_ASPECT:
        row.reject(OPERATOR, "pair_aspect_differs", f"{place}: {given}")
    else:
        row["image_b"] = encode_png(resize(pair[1], wide, high))
    return decoded
