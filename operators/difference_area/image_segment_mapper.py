"""Find everything that stands in either image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from imgdiff.data import images
from imgdiff.data.boxes import area, clip
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register

if TYPE_CHECKING:
    import numpy as np


class ImageSegmentParams(Params):
    """Thresholds go by the names that segment_anything has for them."""

    former_names: ClassVar[Mapping[str, str]] = {
        "min_predicted_iou": "pred_iou_thresh",
        "min_stability": "stability_score_thresh",
        "nms_iou": "box_nms_thresh",
    }

    images: Literal["both", "a"] = Field(
        "both", description="which are segmented; a, where image_b is still to be made"
    )
    points_per_side: int = Field(
        16, ge=1, le=64, description="a grid of this many points, squared, prompts the model"
    )
    pred_iou_thresh: float = Field(
        0.88, ge=0, le=1, description="a mask whose predicted IoU is lower is dropped"
    )
    stability_score_thresh: float = Field(
        0.90, ge=0, le=1, description="so is one that changes more with the cutoff of its logits"
    )
    box_nms_thresh: float = Field(
        0.7, ge=0, le=1, description="of two boxes in one image that overlap more, one is dropped"
    )
    min_side: int = Field(8, ge=1, description="pixels; thinner boxes are dropped")
    max_area: float = Field(
        0.9, gt=0, le=1, description="share of the image; a larger box is the ground"
    )


@register("image_segment_mapper")
class ImageSegmentMapper(Mapper):
    """Write regions: the boxes of all segments of image A and of image B (Img-Diff, section
    3.3)."""

    stage = "difference_area"
    Params = ImageSegmentParams
    reads: tuple[str, ...] = ("image_a", "image_b")
    writes = ("regions", "regions.mask")
    roles = ("segmenter",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.images == "a":
            self.reads = ("image_a",)

    def setup(self, models: Models) -> None:
        self.segmenter = models.segmenter()

    def process(self, rows: Sequence[Row]) -> None:
        for row in rows:
            pictures = [images.load_rgb(row[key]) for key in self.reads]
            sizes = [f"{p.shape[1]} x {p.shape[0]}" for p in pictures]
            if len(set(sizes)) > 1:
                row.reject(self.name, "pair_size_differs", f"images are {sizes[0]} and {sizes[1]}")
                continue
            row.regions = self.regions_of(pictures[0], "a")
            if len(pictures) == 2:
                row.regions += self.regions_of(pictures[1], "b")
            if not row.regions:
                where = "either image" if len(pictures) == 2 else "image A"
                row.reject(self.name, "nothing_found", f"no segment in {where}")

    def regions_of(self, picture: np.ndarray, source: Literal["a", "b"]) -> list[Region]:
        """The segments of one image ([H, W, 3] uint8 RGB) that pass the size limits."""
        p = self.params
        thresholds = p.pred_iou_thresh, p.stability_score_thresh, p.box_nms_thresh
        segments = self.segmenter.segment(picture, p.points_per_side, *thresholds)
        high, wide = picture.shape[:2]
        kept = []
        for segment in segments:
            box = clip(segment["box_xyxy"], wide, high)
            small = min(box[2] - box[0], box[3] - box[1]) < p.min_side
            if not small and area(box) <= p.max_area * wide * high:
                kept.append(Region(box, source, segment["mask"]))
        return kept
