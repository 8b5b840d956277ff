"""Runs of the shipped recipes on the embedded models."""

import json
from pathlib import Path

from imgdiff.data.rows import Row
from imgdiff.run import main as run
from imgdiff.store.run_dir import RunDir, open_complete

ROOT = Path(__file__).parents[2]
SMALL = ("limit=16", "shard_rows=8")


def finished(recipe: str, folder: Path, *overrides: str) -> RunDir:
    """Run a shipped recipe into `folder` and hand out what it left."""
    assert run([str(ROOT / recipe), f"export_path={folder}", *overrides]) == 0
    left = open_complete(folder)
    left.report = json.loads((folder / "report.json").read_text())
    return left


def rows_of(left: RunDir) -> list[Row]:
    return [row for shard in range(left.shard_count) for row in left.rows(shard)]
