"""What every reader is: records by position, a hash of everything, nothing lost."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from imgdiff.data.fields import INPUT_FIELDS, Field
from imgdiff.data.files import open_regular
from imgdiff.errors import RefusedError, RowError

ALIASES = {"caption_a": "caption", "image_a": "image"}
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
    """The input as a whole cannot be used."""


@dataclass(frozen=True)
class Address:
    """Where an input is, and which column gives which field.

    name: as a person wrote it. place: the file or folder; None for a name on the Hub.
    columns: field -> column, where the recipe says so. revision: the commit on the Hub. fields:
    those that it may give, by name.
    """

    name: str
    place: Path | None
    columns: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    fields: Mapping[str, Field] = field(default_factory=lambda: INPUT_FIELDS)

    def column(self, name: str, given: Iterable[str]) -> str:
        """Which of the `given` columns holds the field `name`; the field's own name if none."""
        if name in self.columns:
            return self.columns[name]
        return name if name in given else ALIASES.get(name, name)

    @property
    def wanted(self) -> frozenset[str]:
        """All columns that may hold a field."""
        unnamed = [name for name in ("id", *self.fields) if name not in self.columns]
        return frozenset(
            {*self.columns.values(), *unnamed, *(ALIASES.get(name, name) for name in unnamed)}
        )


class Record(NamedTuple):
    """One row as the input gives it: a line, a row of a table, a pair of files."""

    number: int  # for people, counted from 1
    position: int  # from where its reader can go on
    label: str  # what identifies it if it has no id
    fields: dict[str, Any]  # by column
    problem: RowError | None = None  # why it could not be read


class Reader(ABC):
    """An open input.

    columns: the names that its records use; empty where each record names its own.
    folder: what paths of pictures start from and may not leave. unused: files in it that belong to
    no record.
    """

    numbers: ClassVar[str] = "in rows"  # before the numbers of two records, in a message
    columns: tuple[str, ...] = ()
    folder: Path
    unused: tuple[str, ...] = ()

    def __init__(self, address: Address) -> None:
        self.address = address

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 (most hold nothing open)
        """Let go of files."""

    @abstractmethod
    def sha256(self) -> str:
        """Changes with anything that a record could give."""

    @abstractmethod
    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        """Every record, from the one at `position`, which has that number; else from the first."""

    def index(self) -> Iterator[Record]:
        """Every record, with its id if it has one; for readers that name their columns, other
        fields may be missing."""
        return self.records()

    def where(self, record: Record) -> str:
        """The record's place, for messages."""
        return f"{self.address.name}, row {record.number}"


def kind(value: Any) -> str:
    """What a value is, in a user's words."""
    return KINDS.get(type(value), type(value).__name__)


def utf8(text: str) -> str:
    """The text, with what UTF-8 cannot hold spelt out."""
    return text.encode(errors="backslashreplace").decode()


def sha256_of(path: Path) -> str:
    """Of a file's content.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def sha256_of_files(folder: Path, names: Iterable[str]) -> str:
    """Of the files' names and contents."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{sha256_of(folder / name)}\n".encode())
    return digest.hexdigest()
