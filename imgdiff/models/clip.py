"""The clip role: one space for images and sentences (transformers' CLIP classes)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.zoo import Checkpoint


class Clip:
    """Embeds pictures and texts as unit vectors, so that a dot product is their cosine."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Clip":
        from transformers import CLIPModel, CLIPProcessor

        model = CLIPModel.from_pretrained(**weights(checkpoint)).to(device_of(checkpoint))
        return cls(model, CLIPProcessor.from_pretrained(**place(checkpoint)))

    @torch.inference_mode()
    def embed_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """[N, D] float32 unit vectors of pictures [H, W, 3] uint8 RGB; the processor cuts their
        centre square."""
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        pixels = batch["pixel_values"].to(self.model.device, self.model.dtype)
        return _unit(self.model.get_image_features(pixel_values=pixels).pooler_output)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """[N, D] float32 unit vectors; what exceeds the text encoder's length is cut."""
        batch = self.processor.tokenizer(
            list(texts), padding=True, truncation=True, return_tensors="pt"
        )
        return _unit(self.model.get_text_features(**batch.to(self.model.device)).pooler_output)


def _unit(vectors: torch.Tensor) -> np.ndarray:
    return F.normalize(vectors.float(), dim=-1).cpu().numpy()
