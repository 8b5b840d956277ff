"""The segmenter role: SAM 3 (Meta 2025), which finds what a phrase names, by transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from imgdiff.models.everything import Segments
from imgdiff.models.loading import load_whole, place
from imgdiff.models.memory import parts_of
from imgdiff.models.zoo import Checkpoint

TOKENS = 32  # of a phrase that the model reads


class Sam3:
    """Finds every thing in an image that a phrase names."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Sam3":
        """The half that reads phrases; the config of the checkpoints is that of both
        (`sam3_video`)."""
        from transformers import Sam3Model, Sam3Processor

        processor = Sam3Processor.from_pretrained(**place(checkpoint))
        return cls(load_whole(Sam3Model, checkpoint), processor)

    @torch.inference_mode()
    def segment_named(
        self,
        image: np.ndarray,
        phrases: Sequence[str],
        score_thresh: float,
        box_nms_thresh: float,
    ) -> list[dict[str, Any]]:
        """As `imgdiff.models.roles.NamedSegmenter` says."""
        model, size = self.model, image.shape[:2]
        pixels = self.processor(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
        seen = model.get_vision_features(pixels.to(model.device, model.dtype))

        def enlarge(logits: Tensor) -> Tensor:
            shares = F.interpolate(logits.sigmoid()[None], size, mode="bilinear")[0]
            return shares - 0.5

        segments = Segments(enlarge, size, parts_of(model))
        for phrase in phrases:
            made = model(vision_embeds=seen, **self._tokens(phrase))
            there, each = made.presence_logits[0].float(), made.pred_logits[0].float()
            scores = there.sigmoid() * each.sigmoid()  # [Q]
            sure = scores > score_thresh
            segments.add(made.pred_masks[0][sure].float(), scores[sure])
        return segments.best(box_nms_thresh)

    def _tokens(self, phrase: str) -> dict[str, Tensor]:
        fit = {"padding": "max_length", "truncation": True, "max_length": TOKENS}
        tokens = self.processor.tokenizer(phrase, return_tensors="pt", **fit)
        names = "input_ids", "attention_mask"
        return {name: tokens[name].to(self.model.device) for name in names}
