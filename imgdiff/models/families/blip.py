"""The matcher role by BLIP for image-text retrieval (Li et al. 2022, arXiv 2201.12086)."""

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.families.matching_head import MatchingHead
from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.zoo import Checkpoint


class Blip(MatchingHead):
    """Img-Diff's 0.35 and 0.40 refer to the cosines of its contrastive heads."""

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Blip":
        from transformers import BlipForImageTextRetrieval, BlipProcessor

        model = BlipForImageTextRetrieval.from_pretrained(**weights(checkpoint)).to(
            device_of(checkpoint)
        )
        return cls(model, BlipProcessor.from_pretrained(**place(checkpoint)))

    @property
    def length(self) -> int:
        positions = self.model.config.text_config.max_position_embeddings
        return int(min(self.processor.tokenizer.model_max_length, positions))

    @torch.inference_mode()
    def cosines(self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        model = self.model
        alone = model.text_encoder(ids, attention_mask=mask).last_hidden_state[:, 0]
        image = F.normalize(model.vision_proj(seen[:, 0]).float(), dim=-1)
        text = F.normalize(model.text_proj(alone).float(), dim=-1)
        return (image * text).sum(-1).cpu().numpy()

    @torch.inference_mode()
    def probabilities(
        self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> np.ndarray:
        model = self.model
        joint = model.text_encoder(
            ids,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=mask.new_ones(seen.shape[:2]),
        ).last_hidden_state[:, 0]
        return model.itm_head(joint).float().softmax(dim=-1)[:, 1].cpu().numpy()
