"""Keep the boxes whose object is there in A and gone in B."""

from typing import ClassVar

from pydantic import Field

from imgdiff.data.rows import Region, Row
from imgdiff.differences.region_matching import RegionMatchingFilter
from imgdiff.operator import Params, register


class RegionErasureParams(Params):
    min_before: float = Field(
        0.35,
        ge=-1,
        le=1,
        description="cosine of A's crop and caption_a; below, it may never have been there",
    )
    max_after: float = Field(
        0.20, ge=-1, le=1, description="cosine of B's crop and caption_a; above, some of it is left"
    )


@register("region_erasure_filter")
class RegionErasureFilter(RegionMatchingFilter):
    """Match caption_a with A's crop, which must show it, and with B's, which must not (Img-Diff,
    section 16)."""

    stage = "difference_captions"
    Params = RegionErasureParams
    reads = ("image_a", "image_b", "regions.caption_a")
    region_scores = ("erasure_itc_a", "erasure_itc_b")
    limits: ClassVar = {
        "erasure_itc_a": ("min_before", None),
        "erasure_itc_b": (None, "max_after"),
    }
    scaled = ("min_before", "max_after")
    prefix = "erasure"
    nothing_left = "nothing_erased"

    def texts(self, row: Row, region: Region) -> tuple[str, str]:
        return region.caption_a, region.caption_a

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        for region in regions:
            if region.scores["erasure_itc_a"] < self.params.min_before:
                region.reject(self.name, "caption_unfit")
            elif region.scores["erasure_itc_b"] > self.params.max_after:
                region.reject(self.name, "still_there")
