"""Every format by name, and how a finished run is written in one: whole, checked, or not at all."""

import importlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

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
    _refuse_foreign(folder)
    building = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        writer = format_class(name)(building, run, validation_fraction)
        for shard in _shown(range(run.shard_count), name, console):
            writer.add(run.rows(shard))
        if not writer.written and name != ALWAYS:
            text = f"{run.path}: nothing to write as {name}: no kept region has a conversation"
            raise RefusedError(f"{text}, which conversation_mapper writes")
        writer.close()
        exported = _checked(writer, folder)
        _write_note(building, run, exported)
        os.sync()  # thousands of files: what the rename makes visible is on the disk by then
        swap_folder(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
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
