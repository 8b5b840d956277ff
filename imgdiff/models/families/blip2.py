"""The matcher role by BLIP-2 for image-text retrieval (Li et al. 2023, arXiv 2301.12597)."""

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.families.matching_head import MatchingHead
from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.zoo import Checkpoint


class Blip2(MatchingHead):
    """Its Q-Former asks a picture by several queries: a cosine is that of the query nearest to the
    text, a probability comes from the mean over all of them, which read the text with it."""

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Blip2":
        from transformers import AutoProcessor, Blip2ForImageTextRetrieval

        model = Blip2ForImageTextRetrieval.from_pretrained(**weights(checkpoint)).to(
            device_of(checkpoint)
        )
        return cls(model, AutoProcessor.from_pretrained(**place(checkpoint)))

    @property
    def length(self) -> int:
        return int(self.model.config.qformer_config.max_position_embeddings)

    @torch.inference_mode()
    def cosines(self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        model = self.model
        asked = model.qformer(
            query_embeds=self._queries(len(seen)), encoder_hidden_states=_as_in(model.qformer, seen)
        ).last_hidden_state
        read = model.qformer(
            query_embeds=model.embeddings(input_ids=ids), query_length=0, attention_mask=mask
        ).last_hidden_state[:, 0]
        image = F.normalize(_through(model.vision_projection, asked), dim=-1)  # [N, queries, D]
        text = F.normalize(_through(model.text_projection, read), dim=-1)  # [N, D]
        return (image @ text[:, :, None]).amax((1, 2)).cpu().numpy()

    @torch.inference_mode()
    def probabilities(
        self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> np.ndarray:
        model = self.model
        queries = self._queries(len(seen))
        count = queries.shape[1]
        joint = model.qformer(
            query_embeds=model.embeddings(input_ids=ids, query_embeds=queries),
            query_length=count,
            attention_mask=torch.cat([mask.new_ones(len(mask), count), mask], dim=1),
            encoder_hidden_states=_as_in(model.qformer, seen),
        ).last_hidden_state[:, :count]
        return _through(model.itm_head, joint).mean(1).softmax(-1)[:, 1].cpu().numpy()

    def _queries(self, pictures: int) -> torch.Tensor:
        """[pictures, queries, D]"""
        return self.model.query_tokens.expand(pictures, -1, -1)


def _as_in(module: torch.nn.Module, states: torch.Tensor) -> torch.Tensor:
    """In the module's precision: the Q-Former stays in float32 where the rest is in float16."""
    return states.to(next(module.parameters()).dtype)


def _through(layer: torch.nn.Linear, states: torch.Tensor) -> torch.Tensor:
    return layer(_as_in(layer, states)).float()
