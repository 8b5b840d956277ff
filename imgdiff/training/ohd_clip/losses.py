"""The losses of OHD-Caps (arXiv 2410.03176): a contrastive one with edited captions among the texts
of their image, and two margins.

All are on logits: exp(logit_scale) times the cosine of an image and a text, about 100 times the
cosine for a published CLIP. Margins are in the same unit.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Scored:
    """The logits of B images with the captions of their batch and with their own edited captions.

    captions: [B, B] float, image i with caption j; image i's own is on the diagonal.
    others: [B, B] bool, caption j is another sentence than image i's own: equal ones are not wrong.
    edited: [B, N] float, image i with the k-th edited caption of its own.
    present: [B, N] bool, there is such a caption; what `edited` holds elsewhere has no effect.
    """

    captions: Tensor
    others: Tensor
    edited: Tensor
    present: Tensor

    @property
    def own(self) -> Tensor:
        """[B, 1], every image with its caption."""
        return self.captions.diagonal().unsqueeze(1)


def contrastive(scored: Scored) -> Tensor:
    """L0: the mean of two cross entropies.

    An image finds its caption among the captions of the batch and its own edited captions, a
    caption its image among the images. (The released code puts the edited captions into the second
    softmax, beside the images.)
    """
    competing = scored.others | torch.eye(len(scored.others), dtype=torch.bool).to(scored.others)
    captions = scored.captions.masked_fill(~competing, -torch.inf)
    edited = scored.edited.masked_fill(~scored.present, -torch.inf)
    target = torch.arange(len(captions), device=captions.device)
    image_to_text = F.cross_entropy(torch.cat([captions, edited], dim=1), target)
    return 0.5 * (image_to_text + F.cross_entropy(captions.T, target))


def wrong_below_own(scored: Scored, margin: float) -> Tensor:
    """L1: an image's own caption is `margin` above every other one, edited or of the batch.

    max(0, margin - own + wrong), the mean over all wrong captions that there are.
    """
    wrong = torch.cat([scored.captions, scored.edited], dim=1)
    there = torch.cat([scored.others, scored.present], dim=1)
    return _mean(margin - scored.own + wrong, there)


def edited_above_others(scored: Scored, margin: float) -> Tensor:
    """L2 as the paper writes it (equation 4): an edited caption is still partly right, so it is
    `margin` closer to its image than the captions of other images are.

    max(0, margin - edited + other), the mean over all pairs of the two.
    """
    lead = scored.edited.unsqueeze(2) - scored.captions.unsqueeze(1)  # [B, N, B]
    return _mean(margin - lead, scored.present.unsqueeze(2) & scored.others.unsqueeze(1))


def edited_below_others(scored: Scored, margin: float) -> Tensor:
    """L2 as the released code computes it, with the opposite sign: an edited caption is `margin`
    farther from its image than that image's caption is from the likest other image.

    max(0, margin + edited - likest), the mean over all edited captions.
    """
    likest = scored.captions.T.masked_fill(~scored.others.T, -torch.inf).amax(1, keepdim=True)
    there = scored.present & scored.others.T.any(1, keepdim=True)
    return _mean(margin + scored.edited - likest, there)


def _mean(violation: Tensor, there: Tensor) -> Tensor:
    """The mean of what is above zero and zeros for what is not, where `there`; 0 of nothing."""
    chosen = violation.masked_select(there).relu()
    return chosen.sum() / max(chosen.numel(), 1)
