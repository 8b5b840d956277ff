"""The folder of a finished run on rendered pairs, its dataset written as runs write it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from run_infos import run_info

from imgdiff.data.conversations import QUESTIONS
from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region, Row
from imgdiff.export.dataset import write_dataset
from imgdiff.store.run_info import RunInfo
from imgdiff.toyland.captions import difference, phrase
from imgdiff.toyland.pairs import replaced_pair
from imgdiff.toyland.scenes import generator

MADE = ("caption_b", "image_a", "image_b", "regions")
WRITTEN = ("regions.difference", "regions.left", "regions.conversations")
_STORED: dict[str, Any] = {
    "project_name": "drawn",
    "recipe": {"seed": 42},
    "versions": {"imgdiff": "0.1.0"},
    "models": {},
    "input": {"path": "captions.jsonl", "rows": 4, "sha256": "5a"},
    "phases": [{"name": "extra", "columns": ["caption_a", *MADE, *WRITTEN]}],
    "operators": [],
    "started": "2026-11-20T13:00:00+00:00",
}
INFO = run_info(_STORED)


@dataclass
class DrawnRun:
    path: Path
    kept: list[Row]
    info: RunInfo = INFO
    shard_count: int = 1

    @property
    def report(self) -> dict[str, Any]:
        rows = {"total": len(self.kept), "ok": len(self.kept), "rejected": 0, "failed": 0}
        return {"rows": rows, "samples": len(self.kept), "operators": [], "reasons": {}}

    def rows(self, shard: int, leave_out: Collection[str] = ()) -> list[Row]:
        return self.kept


def drawn_rows(count: int) -> list[Row]:
    """Pairs of a thing replaced, each with a question and the true answer; every second one stands
    the other way round."""
    rows = []
    for seed in range(count):
        pair = replaced_pair(generator("test", seed))
        left = "ab"[seed % 2]
        things = [phrase(pair.old), phrase(pair.new)]
        answer = difference(*(things if left == "a" else things[::-1]))
        turns = [
            {"from": "human", "value": QUESTIONS["joined"]},
            {"from": "gpt", "value": answer},
        ]
        box = tuple(map(float, pair.boxes_xyxy[0]))
        region = Region(box, "a", difference=answer, left=left, conversations=turns)
        values = {"caption_a": pair.caption_a, "caption_b": pair.caption_b}
        values |= {
            f"image_{side}": encode_png(image)
            for side, image in zip("ab", pair.images, strict=True)
        }
        rows.append(Row(f"pair-{seed}", seed, values, [region]))
    return rows


def write_run(folder: Path, rows: list[Row], validation_fraction: float = 0.0) -> Path:
    """The run folder, with its `data/`."""
    folder.mkdir()
    write_dataset(DrawnRun(folder, rows), validation_fraction)
    return folder
