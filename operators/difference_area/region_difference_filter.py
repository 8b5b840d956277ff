"""Keep the boxes whose two crops really differ, the most different first."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.boxes import area, iou
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.operator import Params, RegionFilter, register


class RegionDifferenceParams(Params):
    max_similarity: float = Field(0.85, ge=-1, le=1, description="CLIP cosine of the two crops")
    nms_iou: float = Field(
        0.5, ge=0, le=1, description="a box that overlaps a more different one by more is dropped"
    )
    max_regions: int = Field(5, ge=1, le=100, description="most different boxes that are kept")
    min_area: float = Field(1 / 400, ge=0, le=1, description="share of the image")
    max_area: float | None = Field(
        None, gt=0, le=1, description="share of the image; null: no limit"
    )


@register("region_difference_filter")
class RegionDifferenceFilter(RegionFilter):
    """Drop boxes whose crops look alike, then overlapping ones, then all but the most different
    (section 3.3)."""

    stage = "difference_area"
    Params = RegionDifferenceParams
    reads = ("image_a", "image_b", "regions")
    region_scores = ("crop_similarity", "area")
    limits: ClassVar = {
        "crop_similarity": (None, "max_similarity"),
        "area": ("min_area", "max_area"),
    }
    decided_by = ("nms_iou", "max_regions")
    fixed = ("area",)
    roles = ("clip",)
    scaled = ("max_similarity",)
    nothing_left = "no_difference_area"

    def setup(self, models: Models) -> None:
        self.clip = models.clip()

    def score(self, rows: Sequence[Row]) -> None:
        import numpy as np

        crops, regions = [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                crops += [images.square_crop(p, region.box_xyxy) for p in pictures]
                regions.append(region)
                region.scores["area"] = area(region.box_xyxy) / pictures[0][..., 0].size
        if not regions:
            return
        vectors = self.clip.embed_images(crops)  # [2R, D], A and B in turn
        for region, cosine in zip(
            regions, np.sum(vectors[0::2] * vectors[1::2], axis=1), strict=True
        ):
            region.scores["crop_similarity"] = float(cosine)

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        p = self.params
        kept: list[Region] = []
        for region in sorted(regions, key=lambda r: r.scores["crop_similarity"]):
            if region.scores["area"] < p.min_area:
                region.reject(self.name, "too_small")
            elif p.max_area is not None and region.scores["area"] > p.max_area:
                region.reject(self.name, "too_large")
            elif region.scores["crop_similarity"] > p.max_similarity:
                region.reject(self.name, "crops_alike")
            elif any(iou(region.box_xyxy, other.box_xyxy) > p.nms_iou for other in kept):
                region.reject(self.name, "overlaps")
            elif len(kept) == p.max_regions:
                region.reject(self.name, "over_limit")
            else:
                kept.append(region)
