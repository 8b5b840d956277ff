"""A folder of picture pairs: what belongs together is said by the names alone."""

import os
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgdiff.data.files import inside, read_regular
from imgdiff.data.picture_files import GET_HEIC, reads_heic
from imgdiff.data.readers.base import (
    Address,
    InputError,
    Reader,
    Record,
    sha256_of_files,
    utf8,
)
from imgdiff.errors import RowError

HEIC = ("heic", "heif")
PICTURES = ("jpg", "jpeg", "png", "webp", "avif", *HEIC)  # endings of names, in either case
KINDS = dict.fromkeys(PICTURES, "image") | {"txt": "caption"}
SIDE = re.compile(r"(.+)[_-]([ab])", re.IGNORECASE)  # cat_a.png, cat-B.JPG
IMAGES = ("image_a", "image_b")


class FolderReader(Reader):
    """`NAME_a.png` and `NAME_b.png` side by side, or `NAME.png` in `a/` and in `b/`.

    A caption is a .txt file with the name of its picture. The pair's id is NAME; a position is a
    place in the order of names.

    What is held of a file is its name, for there may be millions.

    Raises:
        InputError: nothing in it is named like one of a pair, or they are of a format for which
            a package is missing.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        assert address.place is not None  # `open_input` gives a folder
        self.folder = address.place
        self._names, unused = _sorted_out(_names(self.folder))
        if not self._names:
            raise InputError(
                f"{address.name}: no image pairs. Expected NAME_a.png and NAME_b.png side by side, "
                "or NAME.png in a/ and in b/"
            )
        self.unused = tuple(unused)
        self._starts = array("Q")  # the place of each pair's first name
        fields, pair = set(), ""
        for place, name in enumerate(self._names):
            before, (pair, field) = pair, _meaning(name)
            fields.add(field)
            if pair != before:
                self._starts.append(place)
        self._starts.append(len(self._names))
        self.columns = ("id", *sorted(fields))
        heic = (name for name in self._names if name.lower().endswith(HEIC))
        if (first := next(heic, None)) and not reads_heic():
            raise InputError(f"{address.name}: {first} is HEIC; to read it {GET_HEIC}")

    def sha256(self) -> str:
        return sha256_of_files(self.folder, self._names)

    def index(self) -> Iterator[Record]:
        for place in range(len(self._starts) - 1):
            pair = _pair(self._names[self._starts[place]])
            yield Record(place + 1, place, pair, {"id": pair})

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        for place in range(position or 0, len(self._starts) - 1):
            names = self._names[self._starts[place] : self._starts[place + 1]]
            files: dict[str, list[str]] = {}
            for name in names:
                pair, field = _meaning(name)
                files.setdefault(field, []).append(name)
            record = Record(place + 1, place, pair, {"id": pair})
            try:
                record.fields.update((field, self._value(field, files[field])) for field in files)
            except RowError as error:
                record = record._replace(problem=error)
            yield record

    def where(self, record: Record) -> str:
        return str(Path(self.address.name) / record.label)

    def _value(self, field: str, names: list[str]) -> str:
        """A picture's path, or a caption."""
        if len(names) > 1:
            raise RowError("pair_ambiguous", f"{field} could be {' or '.join(names)}")
        if field.startswith("image"):
            return names[0]
        try:
            return read_regular(inside(self.folder, names[0])).decode()
        except UnicodeDecodeError as error:
            raise RowError("caption_type", f"{names[0]} is not text ({error.reason})") from None
        except OSError as error:
            raise RowError("caption_missing", f"cannot read {names[0]}: {error.strerror}") from None


def _names(folder: Path) -> list[str]:
    """Of all files, in order, hidden ones left out, those in `a/` and `b/` too; other folders and
    dead links end in a slash."""
    found = []
    for entry in _visible(folder):
        if entry.name in ("a", "b") and (folder / entry.name).is_dir():
            found += [f"{entry.name}/{_name(each)}" for each in _visible(folder / entry.name)]
        else:
            found.append(_name(entry))
    return sorted(found)


def _name(entry: os.DirEntry[str]) -> str:
    try:
        return entry.name + "/" * (not entry.is_file())
    except OSError:  # links in a circle
        return f"{entry.name}/"


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What the folder itself says of its files: to ask each of a million takes minutes."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _sorted_out(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The names of pairs, those of one pair together, and the names that belong to none: captions
    need a picture."""
    used, unused = [], []
    with_pictures = set()
    for name in names:
        pair, field = _meaning(name)
        if field and name == utf8(name):  # a file system takes any bytes as a name, tables do not
            used.append(name)
            if field in IMAGES:
                with_pictures.add(pair)
        else:
            unused.append(utf8(name))
    used.sort(key=_pair)
    unused += [name for name in used if _pair(name) not in with_pictures]
    return [name for name in used if _pair(name) in with_pictures], unused


def _pair(name: str) -> str:
    return _meaning(name)[0]


def _meaning(name: str) -> tuple[str, str]:
    """The pair and the field that a file's name says; no field if it says none."""
    folder, _, file = name.rpartition("/")
    stem, _, suffix = file.rpartition(".")
    kind = KINDS.get(suffix.lower())
    match = None if folder else SIDE.fullmatch(stem)
    pair, side = match.groups() if match else (stem, folder)
    return (pair, f"{kind}_{side.lower()}") if kind and side else ("", "")
