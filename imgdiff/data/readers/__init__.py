"""Readers, one file a kind of input: what `dataset_path` may name."""

import os
import re
from dataclasses import replace
from pathlib import Path

from imgdiff.data.files import LONGEST_NAME, named_path
from imgdiff.data.hub import commit_of
from imgdiff.data.readers.base import Address, InputError, Reader
from imgdiff.errors import RefusedError

LINES = (".txt", ".jsonl", ".csv")
FILES = (*LINES, ".json", ".parquet")
SAVED = ("dataset_dict.json", "state.json")  # what `datasets.save_to_disk` leaves in a folder
HUB = re.compile(
    r"hf://(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>[\w.-]+))?(?:/(?P<config>[^/?@]+))?(?:\?split=(?P<split>[\w.-]+))?"
)


def find(name: str, *folders: Path) -> Address:
    """Where the input of that name is: on the Hub, or the first of its kind under `folders`.

    Raises:
        InputError: it is nowhere, or no name on the Hub.
    """
    if name.startswith("hf://"):
        if HUB.fullmatch(name) is None:
            form = "hf://owner/name[@revision][/config][?split=name]"
            raise InputError(f"{name}: expected {form}")
        return Address(name, None)
    for folder in folders or (Path(),):
        path = folder / named_path(name)
        if os.path.exists(path):
            return Address(name, path.absolute())  # a worker may stand in another folder
    raise InputError(f"no such file or folder: {name[:LONGEST_NAME]}")


def pinned_input(address: Address, recorded: str | None) -> Address:
    """The same address, a dataset of the Hub at a commit.

    Args:
        recorded: the commit that the run has used so far.

    Raises:
        RefusedError: the Hub does not have it, or cannot be reached and the machine has no copy.
    """
    match = HUB.fullmatch(address.name)
    if address.place is not None or match is None:
        return address
    try:
        found = recorded or commit_of(match["name"], match["revision"], "dataset")
    except RefusedError as refusal:
        raise RefusedError(f"dataset_path: {refusal}") from None
    return replace(address, revision=found)


def open_input(address: Address) -> Reader:
    """The reader of what stands there. Imports the library that it needs, no other.

    Raises:
        InputError: there is nothing, or nothing that we read.
    """
    path = address.place
    if path is None:
        from imgdiff.data.readers.tables import HubReader

        return HubReader(address)
    if path.is_dir():
        if any((path / name).is_file() for name in SAVED):
            from imgdiff.data.readers.tables import SavedReader

            return SavedReader(address)
        if _holds_parquet(path):
            from imgdiff.data.readers.parquet import ParquetReader

            return ParquetReader(address)
        from imgdiff.data.readers.folder import FolderReader

        return FolderReader(address)
    if path.suffix == ".parquet":
        from imgdiff.data.readers.parquet import ParquetReader

        return ParquetReader(address)
    if path.suffix == ".json":
        from imgdiff.data.readers.json_file import JsonReader

        return JsonReader(address)
    if path.suffix in LINES:
        from imgdiff.data.readers.lines import LineReader

        return LineReader(address)
    endings = f"{', '.join(FILES[:-1])} or {FILES[-1]}"
    raise InputError(f"{address.name}: expected a folder, or a file whose name ends in {endings}")


def _holds_parquet(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(".parquet") for entry in entries)
