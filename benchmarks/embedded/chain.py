"""The default recipe from captions to samples, judged against its caption pairs."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rendered import run_on

from embedded.editing import exchanged
from embedded.figures import Figure, plain, share
from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.judge import CELL, Judge, Seen, look
from imgdiff.toyland.scenes import generator, sample_scene

RECIPE = Path("recipes/replace.yaml")
INSIDE = 0.5  # of a thing's cells, from which a box shows it


@dataclass(frozen=True)
class Sample:
    """A kept region of a generated pair: its images [128, 128, 3] uint8, what the judge sees in
    them, and the things that the captions say were exchanged, as `red car`."""

    row: Row
    region: Region
    images: tuple[np.ndarray, np.ndarray]
    seen: tuple[list[Seen], list[Seen]]
    old: str
    new: str

    @property
    def right_box(self) -> bool:
        """The box shows the old thing in A and the new one in B."""
        return self._inside(self.seen[0], self.old) and self._inside(self.seen[1], self.new)

    @property
    def right_sentence(self) -> bool:
        return sentence_right(self.row, self.region)

    def _inside(self, seen: list[Seen], name: str) -> bool:
        left, top, right, bottom = (round(edge / CELL) for edge in self.region.box_xyxy)
        return any(
            thing.cells[top:bottom, left:right].sum() >= INSIDE * thing.cells.sum()
            for thing in seen
            if thing.name == name
        )


def sentence_right(row: Row, region: Region) -> bool:
    """The difference caption names what the row's captions exchange, each on its side."""
    old, new = exchanged(row["caption_a"], row["caption_b"])
    left, _, right = region.difference.partition("right image")
    return old in left and new in right


@dataclass(frozen=True)
class Chained:
    """The rows that the default recipe ended with, and the seconds of its phases together."""

    rows: list[Row]
    seconds: float


def run_chain(count: int, overrides: Sequence[str] = ()) -> Chained:
    """The default recipe, with some settings changed, on captions of the test split."""
    with tempfile.TemporaryDirectory() as folder:
        return run_in(Path(folder), "test", count, overrides)


def run_in(folder: Path, split: str, count: int, overrides: Sequence[str] = ()) -> Chained:
    """The same in a folder to keep, on captions of a split: what the settings leave as it was is
    used again."""
    lines, target = folder / "captions.jsonl", folder / "run"
    with lines.open("w") as out:
        for k in range(count):
            rng = generator(split, 40_000 + k)
            caption = scene_caption(sample_scene(rng), rng)
            out.write(json.dumps({"id": f"caption-{k:04d}", "caption": caption}) + "\n")
    rows = run_on(RECIPE, lines, target, [f"limit={count}", *overrides])
    return Chained(rows, json.loads((target / "report.json").read_text())["seconds"])


def samples_of(rows: list[Row], judge: Judge) -> list[Sample]:
    """Every kept region."""
    kept = [row for row in rows if row.ok]
    pictures = [(images.load_rgb(row["image_a"]), images.load_rgb(row["image_b"])) for row in kept]
    seen = look(judge, [picture for pair in pictures for picture in pair])
    found = []
    for k, (row, pair) in enumerate(zip(kept, pictures, strict=True)):
        both, named = (seen[2 * k], seen[2 * k + 1]), exchanged(row["caption_a"], row["caption_b"])
        found += [Sample(row, region, pair, both, *named) for region in row.kept_regions]
    return found


def chain_figures(made: Chained, samples: list[Sample]) -> list[Figure]:
    """What a user gets for his captions."""
    count = len(made.rows)
    return [
        share(
            "chain_rows_kept",
            "captions that end as at least one sample",
            [row.ok for row in made.rows],
            at_least=0.5,
        ),
        share(
            "chain_box_right",
            "samples whose box shows the old thing in A and the new one in B",
            [sample.right_box for sample in samples],
            at_least=0.90,
        ),
        share(
            "chain_sentence_right",
            "samples whose sentence says the captions' change",
            [sample.right_sentence for sample in samples],
            at_least=0.85,
        ),
        share(
            "chain_sample_right",
            "samples of which both is so",
            [sample.right_box and sample.right_sentence for sample in samples],
        ),
        plain("chain_seconds", "seconds for a caption, all steps", made.seconds / count, count),
    ]
