"""Say what each image shows in a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.roles import Question
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.answers import is_refusal

if TYPE_CHECKING:
    import numpy as np


class RegionCaptionParams(Params):
    batch_size: int = Field(
        8, ge=1, le=64, description="rows; all their regions go to the model at once"
    )
    view: Literal["coordinates", "box", "crop"] = Field(
        "coordinates",
        description="the whole image, the box named in the question (as in the paper) or drawn in "
        "red; or the crop",
    )
    prompt: str | None = Field(
        None, description="the question; {box} stands for the box; null: the view's own"
    )
    max_new_tokens: int = Field(64, ge=1, le=1024)


@register("region_caption_mapper")
class RegionCaptionMapper(Mapper):
    """Write caption_a and caption_b of every region with an MLLM, greedily (Img-Diff, section
    3.4)."""

    stage = "difference_captions"
    Params = RegionCaptionParams
    reads = ("image_a", "image_b", "regions")
    writes = ("regions.caption_a", "regions.caption_b")
    roles = ("mllm",)

    def setup(self, models: Models) -> None:
        self.mllm = models.mllm()

    def process(self, rows: Sequence[Row]) -> None:
        asked, regions = [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                regions.append(region)
                text = self._question(pictures[0], region)
                asked += [Question((self._view(each, region),), text) for each in pictures]
        answers = self.mllm.answer(asked, self.params.max_new_tokens) if regions else []
        for region, caption_a, caption_b in zip(regions, answers[0::2], answers[1::2], strict=True):
            region.caption_a, region.caption_b = caption_a, caption_b
            if is_refusal(caption_a) or is_refusal(caption_b):
                region.reject(self.name, "answer_form")
        for row in rows:
            if not row.kept_regions:
                row.reject(self.name, "no_caption", "the model described no area")

    def _view(self, picture: np.ndarray, region: Region) -> np.ndarray:
        if self.params.view == "crop":
            return images.square_crop(picture, region.box_xyxy)
        box = self.params.view == "box"
        return images.shrink(images.draw_box(picture, region.box_xyxy) if box else picture)

    def _question(self, picture: np.ndarray, region: Region) -> str:
        high, wide = picture.shape[:2]
        shares = [
            edge / size
            for edge, size in zip(region.box_xyxy, (wide, high, wide, high), strict=True)
        ]
        box = "[" + ", ".join(f"{share:.2f}" for share in shares) + "]"
        return (self.params.prompt or prompts.REGION[self.params.view]).replace("{box}", box)
