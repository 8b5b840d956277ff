"""How well objects are erased, and where to put the thresholds that decide whether they were.

    python benchmarks/removal.py [--count 64] [--write FILE.jpg] [key=value ...]

Runs `recipes/remove.yaml`, with settings changed as said, on its own captions and with its two
thresholds open, so that all scores are there; the judge says what was named rightly and what is
gone. The sheet shows the samples of the recipe's own thresholds, green where the judge agrees.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from calibrate import Samples, best_cut, spread
from embedded.perception import LEAST_OVERLAP
from embedded.sheets import GREEN, RED, Tile, write_sheet
from rendered import run_on

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.operators.difference_captions.region_erasure_filter import RegionErasureFilter
from imgdiff.recipe.check import check
from imgdiff.toyland.judge import GRID, LEAST_CELLS, Seen, load_judge, look

RECIPE = Path("recipes/remove.yaml")
OPEN = ("region_erasure_filter.min_before=-1.0", "region_erasure_filter.max_after=1.0")


@dataclass(frozen=True)
class Erased:
    """An erased region with both images, [128, 128, 3] uint8, and what the judge says of it.

    named: caption_a is right about what stood there. gone: nothing stands there any more.
    """

    region: Region
    images: tuple[np.ndarray, np.ndarray]
    named: bool
    gone: bool

    @property
    def scores(self) -> tuple[float, float]:
        return self.region.scores["erasure_itc_a"], self.region.scores["erasure_itc_b"]


def erased(rows: Sequence[Row]) -> list[Erased]:
    """The erased region of every row that has one."""
    done = [row for row in rows if row.ok]
    pairs = [tuple(images.load_rgb(row[f"image_{side}"]) for side in "ab") for row in done]
    seen = look(load_judge(), [picture for pair in pairs for picture in pair])
    made = []
    for k, (row, pair) in enumerate(zip(done, pairs, strict=True)):
        (region,) = row.kept_regions
        mask = images.decode_mask(region.mask).astype(np.float32)
        cells = cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_AREA) > 0.5
        before, after = seen[2 * k : 2 * k + 2]
        named = any(
            thing.name in region.caption_a and overlap(thing, cells) >= LEAST_OVERLAP
            for thing in before
        )
        gone = not any((thing.cells & cells).sum() >= LEAST_CELLS for thing in after)
        made.append(Erased(region, pair, named, gone))
    return made


def overlap(thing: Seen, cells: np.ndarray) -> float:
    """IoU of a thing's cells and others, [32, 32] bool."""
    return (thing.cells & cells).sum() / max((thing.cells | cells).sum(), 1)


def samples_of(made: Sequence[Erased]) -> Samples:
    """Each score where it should pass, and where it should not."""
    named = [one for one in made if one.named]
    before = [[one.scores[0] for one in made if one.named == right] for right in (True, False)]
    after = [[one.scores[1] for one in named if one.gone == right] for right in (True, False)]
    return {"erasure_itc_a": (before[0], before[1]), "erasure_itc_b": (after[0], after[1])}


def table(made: Sequence[Erased], limits: RegionErasureFilter, count: int) -> str:
    """What was erased, kept and right; and the scores, as Markdown."""
    low, high = limits.params.min_before, limits.params.max_after
    kept = [one for one in made if one.scores[0] >= low and one.scores[1] <= high]
    right = sum(one.named and one.gone for one in kept)
    named = [one for one in made if one.named]
    lines = [
        "| captions | box captioned rightly | and erased | kept | kept rightly |",
        "| --- | --- | --- | --- | --- |",
        f"| {count} | {len(named)} | {sum(one.gone for one in named)} | {len(kept)} | {right} |",
        "",
        "| score | to keep: 5 % / median / 95 % | to refuse: 5 % / median / 95 % | cases "
        "| best cut |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (keep, refuse) in samples_of(made).items():
        if keep and refuse:
            cut = best_cut(keep, refuse, high_is_good=name.endswith("_a"))
            cases = f"{len(keep)} + {len(refuse)}"
            lines.append(
                f"| {name} | {spread(keep)} | {spread(refuse)} | {cases} | {cut.threshold:.3f} |"
            )
    return "\n".join(lines) + "\n"


def tiles(made: Sequence[Erased], limits: RegionErasureFilter) -> list[Tile]:
    low, high = limits.params.min_before, limits.params.max_after
    return [
        Tile(
            [images.draw_box(picture, one.region.box_xyxy) for picture in one.images],
            "{} {:.2f}, then {:.2f}".format(one.region.caption_a, *one.scores),
            GREEN if one.named and one.gone else RED,
        )
        for one in made
        if one.scores[0] >= low and one.scores[1] <= high
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=64, help="captions")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a contact sheet there")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the recipe")
    given = parser.parse_args()
    plan = check(RECIPE, given.overrides)
    (limits,) = (op for op in plan.operators if isinstance(op, RegionErasureFilter))
    with tempfile.TemporaryDirectory() as folder:
        changed = [f"limit={given.count}", *given.overrides, *OPEN]
        rows = run_on(RECIPE, plan.dataset, Path(folder) / "run", changed)
    made = erased(rows)
    print(table(made, limits, len(rows)))
    if given.write:
        write_sheet(tiles(made, limits), 4, given.write)


if __name__ == "__main__":
    main()
