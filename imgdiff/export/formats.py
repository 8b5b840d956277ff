"""Every format by name, and how a finished run is written in one: whole, checked, or not at all."""

import importlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import track
from rich.table import Table

from imgdiff.data.rows import Row
from imgdiff.errors import RefusedError
from imgdiff.export import FinishedRun
from imgdiff.export.base import Format
from imgdiff.export.split import SIDES, Side
from imgdiff.export.validation import ExportError, validate
from imgdiff.recipe.formats import ALWAYS, FORMATS
from imgdiff.store.files import swap_folder

NOTE = "export.json"  # in every export; a folder without it is not ours to replace


def format_class(name: str) -> type[Format]:
    """The format of that name in `FORMATS`, imported when it is asked for."""
    module = importlib.import_module(f"imgdiff.export.{name}")
    found: type[Format] = getattr(module, FORMATS[name])
    return found


@dataclass(frozen=True)
class Exported:
    """What an export holds. samples: by side of the split."""

    name: str
    folder: Path
    samples: dict[Side, int]
    images: int
    bytes: int


def export(
    run: FinishedRun, name: str, folder: Path, validation_fraction: float, console: Console
) -> Exported:
    """Write a run into `folder` as `name` says, in place of an earlier export.

    It is built beside the folder, read back and checked, and renamed into place at the end: what
    goes wrong leaves the earlier one.

    Raises:
        RefusedError: there is nothing to write, or the folder holds something else.
        ExportError: what was written breaks a rule.
    """
    with BuildingExport(run, name, folder, validation_fraction) as building:
        for shard in _shown(range(run.shard_count), name, console):
            building.add(run.rows(shard))
        return building.close()


class BuildingExport:
    """An export as the shards of its run pass by; what is left open is taken away."""

    def __init__(
        self, run: FinishedRun, name: str, folder: Path, validation_fraction: float
    ) -> None:
        """As for `export`.

        Raises:
            RefusedError: the folder holds something else.
        """
        _refuse_foreign(folder)
        self._run, self._folder = run, folder
        self._building = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(self._building, ignore_errors=True)
        self._building.mkdir(parents=True)
        self._writer = format_class(name)(self._building, run, validation_fraction)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._building, ignore_errors=True)

    def add(self, rows: Sequence[Row]) -> None:
        self._writer.add(rows)

    def close(self) -> Exported:
        """Read it back and put it in place.

        Raises:
            RefusedError: there is nothing to write.
            ExportError: what was written breaks a rule.
        """
        writer = self._writer
        if not writer.written and writer.name != ALWAYS:
            text = f"{self._run.path}: nothing to write as {writer.name}"
            cause = "no kept region has a conversation, which conversation_mapper writes"
            raise RefusedError(f"{text}: {cause}")
        writer.close()
        exported = _checked(writer, self._folder)
        _write_note(self._building, self._run, exported)
        os.sync()  # thousands of files: what the rename makes visible is on the disk by then
        swap_folder(self._building, self._folder)
        return exported


def print_exports(console: Console, exports: Iterable[Exported]) -> None:
    """A line for each: samples, images, size, folder."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("format", "train", "validation", "images", "MB", "folder"):
        table.add_column(column, justify="left" if column in ("format", "folder") else "right")
    for each in exports:
        counts = [str(each.samples[side]) for side in SIDES]
        figures = (*counts, str(each.images), f"{each.bytes / 1e6:.1f}")
        table.add_row(each.name, *figures, str(each.folder))
    console.print(table)


def _shown(shards: Sequence[int], name: str, console: Console) -> Iterable[int]:
    """The shards, with a bar on a terminal."""
    quiet = not console.is_terminal
    return track(shards, description=name, console=console, disable=quiet, transient=True)


def _checked(writer: Format, folder: Path) -> Exported:
    """Read everything back, and count it."""
    counts, images = dict.fromkeys(SIDES, 0), 0
    for side in SIDES:
        for example in writer.examples(side):
            validate(example, writer.name)
            counts[side] += 1
            images += len(example.pictures)
    if sum(counts.values()) != writer.written:
        read = sum(counts.values())
        raise ExportError(f"{writer.name}: {read} samples read back, {writer.written} written")
    size = sum(path.stat().st_size for path in writer.folder.rglob("*") if path.is_file())
    return Exported(writer.name, folder, counts, images, size)


def _write_note(building: Path, run: FinishedRun, exported: Exported) -> None:
    note = {
        "format": exported.name,
        "project_name": run.info.project_name,
        "started": run.info.started,
        "imgdiff": run.info.versions["imgdiff"],
        "samples": exported.samples,
    }
    (building / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not (folder / NOTE).is_file():
        text = f"{folder} is there and is no earlier export"
        raise RefusedError(f"{text}. Choose another folder.")
