"""A folder of picture pairs: what belongs together is said by the names alone."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgdiff.data.files import inside, read_regular
from imgdiff.data.readers.base import (
    Address,
    InputError,
    Reader,
    Record,
    sha256_of_files,
    utf8,
)
from imgdiff.errors import RowError

KINDS = dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), "image") | {".txt": "caption"}
SIDE = re.compile(r"(.+)[_-]([ab])", re.IGNORECASE)  # cat_a.png, cat-B.JPG
IMAGES = ("image_a", "image_b")
Files = dict[str, list[str]]  # field -> names of the files that could give it


class FolderReader(Reader):
    """`NAME_a.png` and `NAME_b.png` side by side, or `NAME.png` in `a/` and in `b/`.

    A caption is a .txt file with the name of its picture. The pair's id is NAME; a position is a
    place in the order of names.

    Raises:
        InputError: nothing in it is named like one of a pair.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        assert address.place is not None  # `open_input` gives a folder
        self.folder = address.place
        pairs, unused = _sorted_out(_names(self.folder))
        if not pairs:
            raise InputError(
                f"{address.name}: no image pairs. Expected NAME_a.png and NAME_b.png side by side, "
                "or NAME.png in a/ and in b/"
            )
        self._pairs, self.unused = sorted(pairs.items()), tuple(unused)
        self.columns = ("id", *sorted({field for files in pairs.values() for field in files}))

    def sha256(self) -> str:
        files = (name for _, files in self._pairs for names in files.values() for name in names)
        return sha256_of_files(self.folder, files)

    def index(self) -> Iterator[Record]:
        for place, (pair, _) in enumerate(self._pairs):
            yield Record(place + 1, place, pair, {"id": pair})

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        first = position or 0
        for place, (pair, files) in enumerate(self._pairs[first:], first):
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


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _names(folder: Path) -> list[str]:
    """Of all files, hidden ones left out, those in `a/` and `b/` too; other folders and dead links
    end in a slash."""
    paths: list[Path] = []
    for path in _visible(folder):
        paths += _visible(path) if path.is_dir() and path.name in ("a", "b") else [path]
    return [str(path.relative_to(folder)) + "/" * (not path.is_file()) for path in paths]


def _sorted_out(names: Iterable[str]) -> tuple[dict[str, Files], list[str]]:
    """Pairs by id, and the names that belong to none: captions need a picture."""
    pairs: defaultdict[str, Files] = defaultdict(lambda: defaultdict(list))
    unused = []
    for name in names:
        pair, field = _meaning(name)
        if field and name == utf8(name):  # a file system takes any bytes as a name, tables do not
            pairs[pair][field].append(name)
        else:
            unused.append(utf8(name))
    for pair in [pair for pair, files in pairs.items() if not any(map(files.get, IMAGES))]:
        unused += (name for names in pairs.pop(pair).values() for name in names)
    return pairs, unused


def _meaning(name: str) -> tuple[str, str]:
    """The pair and the field that a file's name says; no field if it says none."""
    folder, _, file = name.rpartition("/")
    stem, kind = Path(file).stem, KINDS.get(Path(file).suffix.lower())
    match = SIDE.fullmatch(stem)
    pair, side = (stem, folder) if folder or match is None else match.groups()
    return (pair, f"{kind}_{side.lower()}") if kind and side else ("", "")
