"""Small files of real models' repositories, as the Hub has them: configs, processors, tokenizers,
chat templates, listings. No weights, and none of them is part of this project."""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "IMGDIFF_RECORDINGS"  # names the folder that has a folder OWNER--NAME for each model
LONGEST_LINK = 256  # bytes
BESIDE = Path(__file__).parents[2] / "shared" / "recordings"  # where it is looked for without that


def recorded(name: str, *files: str) -> Path:
    """The folder of a model of the Hub; the test is skipped where it, or one of `files`, is not."""
    folder = Path(os.environ.get(VARIABLE) or BESIDE) / name.replace("/", "--")
    missing = [path for path in (folder, *(folder / each for each in files)) if not path.exists()]
    if missing:
        pytest.skip(f"{VARIABLE} names no folder with recorded files of {name}")
    return folder


def copy_recorded(name: str, target: Path) -> Path:
    """A copy of a model's folder, with the files themselves in the place of links to them, which
    some copies of the recordings hold as one line of text."""
    source = recorded(name)
    for path in (path for path in source.rglob("*") if path.is_file()):
        linked = path
        if path.stat().st_size < LONGEST_LINK and path.read_bytes().startswith(b"../"):
            linked = path.parent / path.read_text()
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(linked.read_bytes())
    return target


def recorded_json(name: str, file: str) -> dict:
    """What a file of a model's repository holds; the test is skipped where it is not."""
    return json.loads((recorded(name, file) / file).read_text("utf-8"))


def origin(name: str, file: str) -> str:
    """`recorded`: a copy of the real file, byte by byte. `reconstructed`: written from what is
    known of it."""
    return recorded_json(name, "SOURCE.json")[file]["mark"]
