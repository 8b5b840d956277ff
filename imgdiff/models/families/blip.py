"""The matcher role: does a text fit a picture? (transformers' BLIP for image-text retrieval)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.zoo import Checkpoint


class Blip:
    """Scores (picture, text) pairs in two ways whose numbers must not be mixed up.

    `itc` is the cosine of the contrastive heads, in [-1, 1] (what Img-Diff's 0.35 and 0.40 refer
    to); `itm` is the probability of the matching head, in [0, 1].
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Blip":
        from transformers import BlipForImageTextRetrieval, BlipProcessor

        model = BlipForImageTextRetrieval.from_pretrained(**weights(checkpoint)).to(
            device_of(checkpoint)
        )
        return cls(model, BlipProcessor.from_pretrained(**place(checkpoint)))

    def match(
        self, pictures: Sequence[np.ndarray], texts: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """`itc` and `itm` of each picture with the text beside it: two arrays [N] float32."""
        return self.match_seen(self.see(pictures), texts)

    @torch.inference_mode()
    def see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """[N, T, D], what the vision tower makes of pictures [H, W, 3] uint8 RGB; the processor
        stretches them to its square."""
        model = self.model
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        pixels = batch["pixel_values"].to(model.device, model.dtype)
        return model.vision_model(pixels).last_hidden_state

    @torch.inference_mode()
    def match_seen(self, seen: torch.Tensor, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As `match`, of pictures that were seen before."""
        model = self.model
        tokens = self.processor.tokenizer(
            list(texts), padding=True, truncation=True, return_tensors="pt"
        )
        ids, mask = (tokens[name].to(model.device) for name in ("input_ids", "attention_mask"))

        alone = model.text_encoder(ids, attention_mask=mask).last_hidden_state[:, 0]
        image = F.normalize(model.vision_proj(seen[:, 0]).float(), dim=-1)
        text = F.normalize(model.text_proj(alone).float(), dim=-1)

        joint = model.text_encoder(
            ids,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(
                seen.shape[:2], dtype=torch.long, device=model.device
            ),
        ).last_hidden_state[:, 0]
        probability = model.itm_head(joint).float().softmax(dim=-1)[:, 1]
        return (image * text).sum(-1).cpu().numpy(), probability.cpu().numpy()
