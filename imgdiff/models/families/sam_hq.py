"""The segmenter role: SAM-HQ (Ke et al. 2023), whose masks have finer edges, by transformers."""

from typing import Any

from torch import Tensor

from imgdiff.models.families.point_prompts import PointPrompted
from imgdiff.models.zoo import Checkpoint


class SamHq(PointPrompted):
    """Its decoder reads the encoder's first layers too."""

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "PointPrompted":
        from transformers import SamHQModel, SamHQProcessor

        return cls.of(SamHQModel, SamHQProcessor, checkpoint)

    def embed(self, pixels: Tensor) -> dict[str, Any]:
        last, between = self.model.get_image_embeddings(pixels)
        return {"image_embeddings": last, "intermediate_embeddings": between}
