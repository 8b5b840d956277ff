"""Whether an input is still what it was when a run began, told without reading it as far as that
goes."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imgdiff.data.readers import open_input
from imgdiff.data.readers.base import Address
from imgdiff.errors import RefusedError, StoppedError

WAY_OUT = "Put it back as it was, or begin in a new export_path"
# (name, SHA-256) of an input -> time of the newest file, when this process last read it all
_READ: dict[tuple[str, str], int] = {}


@dataclass(frozen=True)
class Stamp:
    """Of an input as it was read. newest: when a file of it was last touched, ns. sha256: as its
    reader has it."""

    newest: int
    sha256: str

    def refuse_touched(self, address: Address, pictures: Collection[str]) -> None:
        """Look at files that were just read. Where one was touched since the run began, or has
        another time on this machine, the content of the whole input decides.

        Args:
            pictures: names of those that are files of the input.

        Raises:
            StoppedError: it has changed.
        """
        place, key = address.place, (address.name, self.sha256)
        if place is None:  # of the Hub: a commit stays
            return
        read = [place]
        if place.is_dir() and pictures:
            read = [place / name for name in pictures]
            read += [path.with_suffix(".txt") for path in read]  # their captions
        is_there = all((place / name).exists() for name in pictures) if place.is_dir() else True
        if is_there and newest(read) <= _READ.get(key, self.newest):
            return
        now = newest([place])
        try:
            with open_input(address) as reader:
                is_same = reader.sha256() == self.sha256
        except (OSError, RefusedError):
            is_same = False
        if not is_same:
            raise changed(address)
        _READ[key] = now


def changed(address: Address) -> StoppedError:
    return StoppedError(f"{address.name} has changed since the run began. {WAY_OUT}")


def newest(places: Iterable[Path]) -> int:
    """When the latest of these files, or files in these folders, was touched, in ns since 1970;
    those that are not there do not count."""
    return max((_touched(file) for place in places for file in _files(place)), default=0)


def _files(place: Path | os.DirEntry[str]) -> Iterator[Path | os.DirEntry[str]]:
    """The file, or one by one those in a folder and in its folders."""
    if not place.is_dir():
        yield place
        return
    with suppress(OSError), os.scandir(place) as entries:  # who reads its files is told why not
        for entry in entries:
            yield from [entry] if entry.is_symlink() or entry.is_file() else _files(entry)


def _touched(file: Path | os.DirEntry[str]) -> int:
    """Of a link, when the file that it leads to was."""
    try:
        found = file.stat()
    except OSError:
        return 0
    return max(found.st_mtime_ns, found.st_ctime_ns)
