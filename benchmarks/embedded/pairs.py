"""How well the two generators do on rendered pairs whose difference is known.

Half of the pairs have one object replaced, a quarter nothing changed, a quarter a colour changed;
all captions claim a change. So that an unchanged pair is not trivially equal, image B of every pair
is moved by a pixel and saved as JPEG at quality 90, or passed through the diffusion model's
autoencoder. A box counts as right when its IoU with the old object's box in A or the new one's in B
is at least 0.5.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rendered import make_pairs, run_recipe

from embedded.figures import Figure, share
from imgdiff.data.boxes import iou
from imgdiff.data.rows import Region, Row
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


def pair_figures(count: int) -> list[Figure]:
    """The shipped recipe for own pairs, on pairs of the test split."""
    pairs = make_pairs("test", count)
    with tempfile.TemporaryDirectory() as folder:
        rows = run_recipe(Path("recipes/pairs.yaml"), pairs, Path(folder))
    judged = [judge(pair, row) for (_, pair), row in zip(pairs, rows, strict=True)]
    replaced, recoloured, unchanged = (
        [j for j in judged if j.pair.kind == kind]
        for kind in ("replaced", "recoloured", "unchanged")
    )
    return [
        share(
            "area_recall",
            "replaced: the changed area is found",
            [any(map(j.right_box, j.areas)) for j in replaced],
            at_least=0.95,
        ),
        share(
            "area_precision",
            "replaced: an area found is the changed one",
            [j.right_box(region) for j in replaced for region in j.areas],
            at_least=0.95,
        ),
        share(
            "caption_right",
            "replaced: a sample's sentence names both things rightly",
            [j.right_caption(region) for j in replaced for region in j.kept],
            at_least=0.90,
        ),
        share(
            "sample_recall",
            "replaced: the changed area becomes a sample",
            [any(map(j.right_box, j.kept)) for j in replaced],
        ),
        share(
            "false_alarm",
            "unchanged: the pair becomes a sample",
            [bool(j.kept) for j in unchanged],
            at_most=0.05,
        ),
        share("false_area", "unchanged: an area is found", [bool(j.areas) for j in unchanged]),
        share(
            "colour_area_recall",
            "recoloured: the changed area is found",
            [any(map(j.right_box, j.areas)) for j in recoloured],
        ),
        share(
            "colour_area_precision",
            "recoloured: an area found is the changed one",
            [j.right_box(region) for j in recoloured for region in j.areas],
        ),
        share(
            "colour_caption_right",
            "recoloured: a sample's sentence names both things rightly",
            [j.right_caption(region) for j in recoloured for region in j.kept],
        ),
    ]
