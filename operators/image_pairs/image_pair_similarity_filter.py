"""Keep the pairs whose two images are alike, but not the same."""

from collections.abc import Sequence

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.operator import Range, RowRangeFilter, register


class ImagePairSimilarityParams(Range):
    min_score: float = Field(0.90, ge=-1, le=1, description="below it, the images share too little")
    max_score: float = Field(0.98, ge=-1, le=1, description="above it, no visible difference")


@register("image_pair_similarity_filter")
class ImagePairSimilarityFilter(RowRangeFilter):
    """Keep pairs whose CLIP cosine similarity lies in [min_score, max_score] (Img-Diff, section
    3.3). Pictures that are not square are stretched to one: CLIP's processor would cut their rims.
    """

    stage = "image_pairs"
    version = "2"
    Params = ImagePairSimilarityParams
    reads = ("image_a", "image_b")
    scores = ("image_pair_similarity",)  # cosine in [-1, 1]
    roles = ("clip",)
    scaled = ("min_score", "max_score")
    too_low, too_high = "pair_too_different", "pair_too_similar"

    def setup(self, models: Models) -> None:
        self.clip = models.clip()

    def score(self, rows: Sequence[Row]) -> None:
        import numpy as np

        pictures = [
            images.stretch_to_square(images.load_rgb(row[key]))
            for row in rows
            for key in self.reads
        ]
        vectors = self.clip.embed_images(pictures)  # [2N, D], A and B in turn
        for row, cosine in zip(rows, np.sum(vectors[0::2] * vectors[1::2], axis=1), strict=True):
            row.scores["image_pair_similarity"] = float(cosine)
