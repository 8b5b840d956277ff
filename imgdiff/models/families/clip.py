"""The clip role: one space for images and sentences (transformers' CLIP classes)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.loading import device_of, place, token_counter, weights
from imgdiff.models.zoo import Checkpoint


class ClipTowers:
    """Embeds pictures and texts as unit vectors, so that a dot product is their cosine."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "ClipTowers":
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

    def embed_classes(self, prompts: Sequence[Sequence[str]]) -> np.ndarray:
        """[C, D] float32 unit vectors of C classes, each the mean of its prompts' vectors: a prompt
        ensemble (Radford et al. 2021, arXiv 2103.00020, section 3.1.4)."""
        means = [self.embed_texts(texts).mean(0) for texts in prompts]
        return np.stack([mean / np.linalg.norm(mean) for mean in means])


def load_caption_limit(checkpoint: Checkpoint) -> Callable[[str], tuple[int, int]]:
    """A function: caption -> (its tokens, the tokens the text encoder reads), start and end not
    counted."""
    from transformers import AutoTokenizer

    return token_counter(AutoTokenizer.from_pretrained(**place(checkpoint)))


def _unit(vectors: torch.Tensor) -> np.ndarray:
    return F.normalize(vectors.float(), dim=-1).cpu().numpy()
