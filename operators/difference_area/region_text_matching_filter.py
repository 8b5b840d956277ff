"""Keep the boxes that hold what the captions say was changed."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from imgdiff.data.rows import Region, Row
from imgdiff.differences.exchanged import exchanged_nouns, refuse_unnamed
from imgdiff.differences.region_matching import MatchingParams, RegionMatchingFilter
from imgdiff.operator import register


class RegionTextMatchingParams(MatchingParams):
    rule: Literal["any", "all"] = Field(
        "any", description="one crop must match its noun, or every crop that has one must"
    )
    min_itc: float | None = Field(
        0.35, ge=-1, le=1, description="cosine of the contrastive heads; null: not asked"
    )
    min_itm: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability of the matching head, which runs for it; null: not asked",
    )


@register("region_text_matching_filter")
class RegionTextMatchingFilter(RegionMatchingFilter):
    """Match A's crop with A's changed noun and B's crop with B's, for the boxes of both images.

    Where something was only added, or only removed, the noun of the other image alone is matched.
    The nouns come from the edit, or from the words that differ between the captions (Img-Diff,
    section 3.3).
    """

    stage = "difference_area"
    version = "2"
    Params = RegionTextMatchingParams
    reads = ("image_a", "image_b", "caption_a", "caption_b", "regions")
    region_scores = ("noun_itc_a", "noun_itc_b", "noun_itm_a", "noun_itm_b")
    limits: ClassVar = {
        "noun_itc_a": ("min_itc", None),
        "noun_itc_b": ("min_itc", None),
        "noun_itm_a": ("min_itm", None),
        "noun_itm_b": ("min_itm", None),
    }
    decided_by = ("rule",)
    scaled = ("min_itc", "min_itm")
    prefix = "noun"
    too_low = "noun_absent"
    nothing_left = "no_changed_object"

    def score(self, rows: Sequence[Row]) -> None:
        for row in rows:
            refuse_unnamed(row, self.name)
        super().score([row for row in rows if row.ok])

    def texts(self, row: Row, region: Region) -> tuple[str, str]:
        return exchanged_nouns(row)
