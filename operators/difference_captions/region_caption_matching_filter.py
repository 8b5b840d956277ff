"""Keep the boxes whose captions fit what they describe."""

from typing import ClassVar, Literal

from pydantic import Field

from imgdiff.data.rows import Region, Row
from imgdiff.differences.region_matching import MatchingParams, RegionMatchingFilter
from imgdiff.operator import register


class RegionCaptionMatchingParams(MatchingParams):
    rule: Literal["any", "all"] = Field(
        "all", description="one crop must match its caption, or both must"
    )
    min_itc: float | None = Field(
        0.40, ge=-1, le=1, description="cosine of the contrastive heads; null: not asked"
    )
    min_itm: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability of the matching head, which runs for it; null: not asked",
    )


@register("region_caption_matching_filter")
class RegionCaptionMatchingFilter(RegionMatchingFilter):
    """Match A's crop with its region caption and B's with its own (Img-Diff, section 3.4)."""

    stage = "difference_captions"
    Params = RegionCaptionMatchingParams
    reads = ("image_a", "image_b", "regions.caption_a", "regions.caption_b")
    region_scores = ("caption_itc_a", "caption_itc_b", "caption_itm_a", "caption_itm_b")
    limits: ClassVar = {
        "caption_itc_a": ("min_itc", None),
        "caption_itc_b": ("min_itc", None),
        "caption_itm_a": ("min_itm", None),
        "caption_itm_b": ("min_itm", None),
    }
    decided_by = ("rule",)
    scaled = ("min_itc", "min_itm")
    prefix = "caption"
    too_low = "caption_unfit"
    nothing_left = "no_fitting_caption"

    def texts(self, row: Row, region: Region) -> tuple[str, str]:
        return region.caption_a, region.caption_b
