"""Small files of real models' repositories, as the Hub has them: configs, processors, tokenizers,
chat templates, listings. No weights, and none of them is part of this project."""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "IMGDIFF_RECORDINGS"  # names the folder that has a folder OWNER--NAME for each model
BESIDE = Path(__file__).parents[2] / "shared" / "recordings"  # where it is looked for without that


def recorded(name: str, *files: str) -> Path:
    """The folder of a model of the Hub; the test is skipped where it, or one of `files`, is not."""
    folder = Path(os.environ.get(VARIABLE) or BESIDE) / name.replace("/", "--")
    missing = [path for path in (folder, *(folder / each for each in files)) if not path.exists()]
    if missing:
        pytest.skip(f"{VARIABLE} names no folder with recorded files of {name}")
    return folder


def recorded_json(name: str, file: str) -> dict:
    """What a file of a model's repository holds; the test is skipped where it is not."""
    return json.loads((recorded(name, file) / file).read_text("utf-8"))


def origin(name: str, file: str) -> str:
    """`recorded`: a copy of the real file, byte by byte. `reconstructed`: written from what is
    known of it."""
    return recorded_json(name, "SOURCE.json")[file]["mark"]
