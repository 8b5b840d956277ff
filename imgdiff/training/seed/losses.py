"""SEED's purification and the losses of its distillation, token by token.

The paper (arXiv 2507.04680) was found without its equations. What is here is our reconstruction
from its abstract: a contrast as in visual contrastive decoding (arXiv 2311.16922), distilled with a
mode-seeking divergence. Logits are [..., V] float32, results [...]; divergences are in nats.
"""

import math

import torch
from torch import Tensor


def image_dependence(clean: Tensor, hallucinated: Tensor) -> Tensor:
    """How much a token depends on the picture (isolate): the Jensen-Shannon divergence of what the
    model says with the clean and with the distorted one, as a share of its maximum, in [0, 1]."""
    one, other = clean.log_softmax(-1), hallucinated.log_softmax(-1)
    middle = torch.logaddexp(one, other) - math.log(2)
    halves = [(each.exp() * (each - middle)).sum(-1) for each in (one, other)]
    return ((halves[0] + halves[1]) / (2 * math.log(2))).clamp(0, 1)


def purified(clean: Tensor, hallucinated: Tensor, alpha: float, beta: float) -> Tensor:
    """log p* [..., V] (purge): softmax of (1 + alpha) clean - alpha hallucinated over the plausible
    tokens, those at least `beta` times as likely with the clean picture as its likeliest; -inf
    elsewhere.

    Args:
        alpha: strength of the contrast; 0: the clean distribution, cut.
        beta: in [0, 1]; 0: every token is plausible.
    """
    contrast = (1 + alpha) * clean - alpha * hallucinated
    if beta > 0:
        lowest = clean.amax(-1, keepdim=True) + math.log(beta)
        contrast = contrast.masked_fill(clean < lowest, -math.inf)
    return contrast.log_softmax(-1)


def floored(log_target: Tensor, clean: Tensor, epsilon: float) -> Tensor:
    """log((1 - epsilon) p* + epsilon p_clean): nowhere zero, so that a reverse divergence is
    finite. epsilon: in (0, 1)."""
    return torch.logaddexp(
        log_target + math.log1p(-epsilon), clean.log_softmax(-1) + math.log(epsilon)
    )


def reverse_kl(student: Tensor, log_target: Tensor) -> Tensor:
    """KL(student || target), mode-seeking (evolve): the student leaves nothing where the target has
    nothing.

    Args:
        student: logits.
        log_target: log-probabilities, finite.
    """
    own = student.log_softmax(-1)
    return (own.exp() * (own - log_target)).sum(-1)


def forward_kl(student: Tensor, log_target: Tensor) -> Tensor:
    """KL(target || student), mean-seeking: the baseline that the paper argues against."""
    return (log_target.exp() * (log_target - student.log_softmax(-1))).sum(-1)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of `values` [N] by `weights` [N]; 0 where no weight is."""
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
