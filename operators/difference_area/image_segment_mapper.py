"""Find everything that stands in either image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from imgdiff.data import images
from imgdiff.data.boxes import area, clip
from imgdiff.data.rows import Region, Row
from imgdiff.differences.exchanged import exchanged_nouns, refuse_unnamed
from imgdiff.models import Models
from imgdiff.models.families import FIND_EVERYTHING, FIND_NAMED
from imgdiff.operator import Mapper, Params, register

if TYPE_CHECKING:
    import numpy as np

ImageSide = Literal["a", "b"]


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
    prompts: Literal["grid", "nouns"] = Field(
        "grid",
        description="what the model is asked with: points everywhere, or the noun that the "
        "captions exchange, of each image its own",
    )
    score_thresh: float = Field(
        0.3, ge=0, le=1, description="with nouns: a thing that the model is less sure of is dropped"
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
    """Write regions: the boxes of all segments of image A and of image B (Img-Diff, section 3.3),
    or of what the captions exchange."""

    stage = "difference_area"
    Params = ImageSegmentParams
    reads: tuple[str, ...] = ("image_a", "image_b")
    writes = ("regions", "regions.mask")
    roles = ("segmenter",)
    asks: Mapping[str, str] = {"segmenter": FIND_EVERYTHING}

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        self.sides: tuple[ImageSide, ...] = ("a", "b") if self.params.images == "both" else ("a",)
        self.reads = tuple(f"image_{side}" for side in self.sides)
        if self.params.prompts == "nouns":
            self.reads += ("caption_a", "caption_b")
            self.asks = {"segmenter": FIND_NAMED}

    def setup(self, models: Models) -> None:
        self.segmenter: Any = models.segmenter()

    def process(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self.params.prompts == "nouns":
                refuse_unnamed(row, self.name)
            if row.ok:
                self._segment(row)

    def _segment(self, row: Row) -> None:
        pictures = [images.load_rgb(row[f"image_{side}"]) for side in self.sides]
        sizes = [f"{p.shape[1]} x {p.shape[0]}" for p in pictures]
        if len(set(sizes)) > 1:
            row.reject(self.name, "pair_size_differs", f"images are {sizes[0]} and {sizes[1]}")
            return
        row.regions = []
        for side, picture in zip(self.sides, pictures, strict=True):
            row.regions += self._regions(side, picture, self._segments(row, side, picture))
        if not row.regions:
            where = "either image" if len(pictures) == 2 else "image A"
            row.reject(self.name, "nothing_found", f"no segment in {where}")

    def _segments(self, row: Row, side: ImageSide, picture: np.ndarray) -> list[dict[str, Any]]:
        p, model = self.params, self.segmenter
        if p.prompts == "nouns":
            noun = exchanged_nouns(row)[self.sides.index(side)]
            named = p.score_thresh, p.box_nms_thresh
            return model.segment_named(picture, [noun], *named) if noun else []
        everything = p.pred_iou_thresh, p.stability_score_thresh, p.box_nms_thresh
        return model.segment(picture, p.points_per_side, *everything)

    def _regions(
        self, side: ImageSide, picture: np.ndarray, segments: list[dict[str, Any]]
    ) -> list[Region]:
        """Those of an image's segments ([H, W, 3] uint8 RGB) that pass the size limits."""
        p = self.params
        high, wide = picture.shape[:2]
        kept = []
        for segment in segments:
            box = clip(segment["box_xyxy"], wide, high)
            small = min(box[2] - box[0], box[3] - box[1]) < p.min_side
            if not small and area(box) <= p.max_area * wide * high:
                kept.append(Region(box, side, segment["mask"]))
        return kept
