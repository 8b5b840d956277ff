"""The segmenter role: SAM 2 and 2.1 (Ravi et al. 2024) by transformers, on pictures."""

from imgdiff.models.families.point_prompts import PointPrompted
from imgdiff.models.zoo import Checkpoint


class Sam2(PointPrompted):
    """Checkpoints name the classes for videos (`sam2_video`), so those for pictures are named
    here."""

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "PointPrompted":
        from transformers import Sam2Model, Sam2Processor

        return cls.of(Sam2Model, Sam2Processor, checkpoint)
