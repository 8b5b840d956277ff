"""Keep the boxes whose two captions say different things."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.operator import Params, RegionFilter, register


class RegionCaptionSimilarityParams(Params):
    max_similarity: float = Field(0.85, ge=-1, le=1, description="CLIP cosine of the two captions")


@register("region_caption_similarity_filter")
class RegionCaptionSimilarityFilter(RegionFilter):
    """Drop boxes whose captions are nearly the same by CLIP's text encoder (Img-Diff, section
    3.4)."""

    stage = "difference_captions"
    Params = RegionCaptionSimilarityParams
    reads = ("regions.caption_a", "regions.caption_b")
    region_scores = ("caption_similarity",)
    limits: ClassVar = {"caption_similarity": (None, "max_similarity")}
    roles = ("clip",)
    scaled = ("max_similarity",)
    nothing_left = "no_different_captions"

    def setup(self, models: Models) -> None:
        self.clip = models.clip()

    def score(self, rows: Sequence[Row]) -> None:
        import numpy as np

        regions = [region for row in rows for region in row.kept_regions]
        if not regions:
            return
        vectors = self.clip.embed_texts(
            [text for r in regions for text in (r.caption_a, r.caption_b)]
        )
        cosines = np.sum(vectors[0::2] * vectors[1::2], axis=1)
        for region, cosine in zip(regions, cosines.clip(-1, 1), strict=True):  # 1 + 1e-7 is 1
            region.scores["caption_similarity"] = float(cosine)

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        for region in regions:
            if region.scores["caption_similarity"] > self.params.max_similarity:
                region.reject(self.name, "captions_alike")
