"""Erase one object of image A."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, model_validator

from imgdiff.data import images
from imgdiff.data.boxes import area
from imgdiff.data.rows import Row, derive_seed
from imgdiff.editing.holes import Hole, composed, dilated
from imgdiff.generation import GenerationParams, captions_fit, is_finite
from imgdiff.models import Models
from imgdiff.operator import Mapper, register
from imgdiff.text.words import place_of

if TYPE_CHECKING:
    import numpy as np

QUOTES = re.compile(r"\{(caption_a|place)\}")


class InpaintParams(GenerationParams):
    strength: float = Field(
        0.85,
        gt=0,
        le=1,
        description="share of the steps that are run; the fewer, the more shines through",
    )
    prompt: str = Field(
        "background, nothing, 8k",
        description="what is to be where the object was; {caption_a} stands for the caption, "
        "{place} for its last phrase of place (on the sand)",
    )
    negative_prompt: str | None = Field(
        None,
        description="what is not to be there, likewise; idle at guidance_scale 1 and below",
    )
    mask_dilation: float = Field(
        0.03,
        ge=0,
        le=0.25,
        description="share of the longer side by which the mask grows, for rims and shadows",
    )
    min_area: float = Field(
        1 / 400, ge=0, le=1, description="share of the image; no smaller box is erased"
    )
    max_area: float = Field(0.5, gt=0, le=1, description="share of the image; and no larger one")

    @model_validator(mode="after")
    def _possible(self) -> InpaintParams:
        if int(self.num_inference_steps * self.strength) < 1:
            raise ValueError(
                f"strength {self.strength:g} of num_inference_steps {self.num_inference_steps} "
                "leaves no step to run. Raise one of them"
            )
        if self.min_area > self.max_area:
            raise ValueError(f"min_area {self.min_area:g} is above max_area {self.max_area:g}")
        return self


@register("sdxl_inpaint_mapper")
class SdxlInpaintMapper(Mapper):
    """Make image_b: image_a without one of its segments, drawn by lot and inpainted; outside the
    dilated mask bit for bit the same (Img-Diff, section 16)."""

    stage = "object_removal"
    Params = InpaintParams
    reads: tuple[str, ...] = ("image_a", "regions", "regions.mask")
    writes = ("image_b", "editing", "regions")
    roles = ("diffusion",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if QUOTES.search(self.params.prompt + (self.params.negative_prompt or "")):
            self.reads = (*self.reads, "caption_a")

    def setup(self, models: Models) -> None:
        self.pipeline = models.diffusion().pipeline
        self.prompt_limit = models.prompt_limit()

    def process(self, rows: Sequence[Row]) -> None:
        from imgdiff.editing.inpainting import inpaint

        p = self.params
        todo = [(row, hole) for row in rows if (hole := self._hole(row))]
        holes = [hole for _, hole in todo]
        made = inpaint(
            self.pipeline, holes, p.num_inference_steps, p.guidance_scale, p.strength, p.side
        )
        for (row, hole), painted in zip(todo, made, strict=True):
            if is_finite(row, self.name, painted):
                row["image_b"] = images.encode_png(composed(hole, painted))
                row["editing"] = {"mode": "inpaint", "candidate": 0, "candidate_scores": []}

    def _hole(self, row: Row) -> Hole | None:
        """What is to be erased; None if the row is rejected instead."""
        caption, p = row.values.get("caption_a", ""), self.params
        wanted = _filled(p.prompt, caption)
        unwanted = p.negative_prompt and _filled(p.negative_prompt, caption)
        if not captions_fit(row, self.name, self.prompt_limit, wanted, unwanted or ""):
            return None
        mask = self._choose(row)
        if mask is None:
            return None
        picture, seed = images.load_rgb(row["image_a"]), derive_seed(row.seed, self.name)
        return Hole(picture, dilated(mask, p.mask_dilation), seed, wanted, unwanted)

    def _choose(self, row: Row) -> np.ndarray | None:
        """The mask, [H, W] bool, of one segment of a fitting size, the others refused."""
        p = self.params
        masked = [(region, region.mask) for region in row.kept_regions if region.mask]
        fitting = [
            (region, mask)
            for region, mask in masked
            if p.min_area <= area(region.box_xyxy) / math.prod(mask["size"]) <= p.max_area
        ]
        if not fitting:
            limits = f"{p.min_area:.2%} to {p.max_area:.2%}"
            row.reject(self.name, "no_object", f"no segment takes up {limits} of the image")
            return None
        chosen, mask = fitting[int(row.random(self.name).integers(len(fitting)))]
        for region in row.kept_regions:
            if region is not chosen:
                region.reject(self.name, "not_chosen")
        return images.decode_mask(mask)


def _filled(text: str, caption: str) -> str:
    said = {"caption_a": caption, "place": place_of(caption)}
    return QUOTES.sub(lambda quote: said[quote[1]], text)
