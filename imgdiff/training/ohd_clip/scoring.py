"""Images and sentences of a batch through a model, to logits."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from imgdiff.training.ohd_clip.losses import Scored


def scored(model: nn.Module, logit_scale: Tensor, batch: Mapping[str, Tensor]) -> Scored:
    """The logits of a `Collator`'s batch, in float32: in bfloat16 they would be rounded to eighths.

    model: transformers' CLIPModel, SiglipModel or alike, perhaps wrapped for several processes.
    logit_scale: the model's, a logarithm.
    """
    batch = dict(batch)
    caption_of, negatives_of = batch.pop("caption_of"), batch.pop("negatives_of")
    output = model(**batch)
    with torch.autocast(output.image_embeds.device.type, enabled=False):
        image, text = output.image_embeds.float(), output.text_embeds.float()  # unit vectors
        logits = logit_scale.float().exp() * image @ text.T  # [B, T]
    return Scored(
        captions=logits[:, caption_of],
        others=caption_of.unsqueeze(0) != caption_of.unsqueeze(1),
        edited=logits.gather(1, negatives_of.clamp(min=0)),
        present=negatives_of >= 0,
    )
