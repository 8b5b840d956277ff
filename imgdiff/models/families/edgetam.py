"""The segmenter role: EdgeTAM (Zhou et al. 2025), a small SAM 2, by transformers and timm."""

from imgdiff.models.families.point_prompts import PointPrompted
from imgdiff.models.zoo import Checkpoint


class EdgeTam(PointPrompted):
    """Its encoder is a model of timm; pictures are prepared as SAM 2's."""

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "PointPrompted":
        from transformers import EdgeTamModel, Sam2Processor

        return cls.of(EdgeTamModel, Sam2Processor, checkpoint)
