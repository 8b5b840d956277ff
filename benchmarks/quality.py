"""How well the two generators do on rendered pairs whose difference is known.

    python benchmarks/quality.py [--quick] [--json FILE]

Half of the pairs have one object replaced, a quarter nothing changed, a quarter a colour changed;
all captions claim a change. So that an unchanged pair is not trivially equal, image B of every pair
is moved by a pixel and saved as JPEG at quality 90, or passed through the diffusion model's
autoencoder. A box counts as right when its IoU with the old object's box in A or the new one's in B
is at least 0.5.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rendered import make_pairs, run_recipe
from rich.console import Console
from rich.table import Table

from imgdiff.boxes import iou
from imgdiff.rows import Region, Row
from imgdiff.toyland.pairs import RenderedPair

AREA_OPERATORS = ("image_segment_mapper", "region_text_matching_filter", "region_difference_filter")


@dataclass(frozen=True)
class Judged:
    """One pair with what was kept of it: boxes after the area generator, regions at the end."""

    pair: RenderedPair
    areas: list[Region]
    kept: list[Region]

    def right_box(self, region: Region) -> bool:
        return max(iou(region.box_xyxy, box) for box in self.pair.boxes_xyxy) >= 0.5

    def right_caption(self, region: Region) -> bool:
        """The sentence says the old object of the left image and the new one of the right image."""
        left, _, right = region.difference.partition("right image")
        return self.pair.old.name in left and self.pair.new.name in right and self.right_box(region)


def judge(pair: RenderedPair, row: Row) -> Judged:
    refused = tuple(f"{name}:" for name in AREA_OPERATORS)
    areas = [region for region in row.regions if not region.reason.startswith(refused)]
    return Judged(pair, areas, row.kept_regions if row.ok else [])


def share(hits: list[bool]) -> float:
    return float(np.mean(hits)) if hits else float("nan")


def figures(judged: list[Judged]) -> dict[str, tuple[float, int]]:
    """Name -> (share, number of cases)."""
    found: dict[str, list[bool]] = {}
    for prefix, kind in (("", "replaced"), ("colour_", "recoloured")):
        some = [j for j in judged if j.pair.kind == kind]
        found[f"{prefix}area_recall"] = [any(map(j.right_box, j.areas)) for j in some]
        found[f"{prefix}area_precision"] = [j.right_box(r) for j in some for r in j.areas]
        found[f"{prefix}sample_recall"] = [any(map(j.right_box, j.kept)) for j in some]
        found[f"{prefix}caption_right"] = [j.right_caption(r) for j in some for r in j.kept]
    unchanged = [j for j in judged if j.pair.kind == "unchanged"]
    found["false_area"] = [bool(j.areas) for j in unchanged]
    found["false_alarm"] = [bool(j.kept) for j in unchanged]
    return {name: (share(hits), len(hits)) for name, hits in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="60 pairs instead of 300")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, flat")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/pairs.yaml"))
    given = parser.parse_args()
    pairs = make_pairs("test", 60 if given.quick else 300)
    with tempfile.TemporaryDirectory() as folder:
        rows = run_recipe(given.recipe, pairs, Path(folder))
    measured = figures([judge(pair, row) for (_, pair), row in zip(pairs, rows, strict=True)])
    table = Table("figure", "share", "cases", title=f"rendered pairs: {len(pairs)}")
    for name, (value, cases) in measured.items():
        table.add_row(name, f"{value:.3f}", str(cases))
    Console().print(table)
    if given.json:
        given.json.write_text(
            json.dumps({name: value for name, (value, _) in measured.items()}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
