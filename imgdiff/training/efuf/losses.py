"""EFUF's losses (section 3.3), as functions of logits and labels alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # label of a token that is not learned


def token_losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of each labelled token, in nats, and where these tokens are.

    Args:
        logits: [N, T, V]; those at t tell of token t + 1.
        labels: [N, T] int64 token ids, `IGNORED` where nothing is learned.

    Returns:
        losses: [N, T - 1] float32, 0 where nothing is learned.
        wanted: [N, T - 1] bool.
    """
    following = labels[:, 1:]
    wanted = following != IGNORED
    losses = torch.zeros(following.shape, device=logits.device)
    # the few labelled tokens alone: a full softmax of every position is what fills a GPU
    chosen = F.cross_entropy(logits[:, :-1][wanted].float(), following[wanted], reduction="none")
    return losses.masked_scatter(wanted, chosen), wanted


def finetuning(losses: Tensor, wanted: Tensor) -> Tensor:
    """[N]: L_ft, the mean cross-entropy of each sample's tokens; both arguments [N, T]."""
    return (losses * wanted).sum(-1) / wanted.sum(-1).clamp(min=1)


def ascent(losses: Tensor, wanted: Tensor, floor: float | None) -> Tensor:
    """[N]: L_neg = -L_ft, by which the tokens of each sample become less likely.

    -L_ft has no lower bound, and its slope grows as a token becomes less likely, so what has long
    been unlearned is pushed hardest, until the text breaks. With a floor a token whose
    log-probability is below it counts as unlearned: its loss stays at the floor, without a slope,
    and tokens above it keep the paper's.

    Args:
        losses, wanted: [N, T] of `token_losses`.
        floor: log-probability in nats, below 0; None: the paper's unbounded form.
    """
    return -finetuning(losses if floor is None else losses.clamp(max=-floor), wanted)


def score_weights(scores: Tensor, unlearned: Tensor, score_sum: float) -> Tensor:
    """[N]: what a sample weighs in the released code: the surer its score, the more.

    A positive weighs S and a negative `score_sum` - S, over half of `score_sum`, so that a score
    in the middle weighs 1.

    Args:
        scores: [N] cosines.
        unlearned: [N] bool, whether a sample is a negative.
        score_sum: T0 + T1, the sum of the two thresholds.
    """
    return torch.where(unlearned, score_sum - scores, scores) / (score_sum / 2)


def positive_share(progress: float, end: float) -> float:
    """By what the positive weight is multiplied: from 1 to `end` in a straight line.

    Args:
        progress: share of the steps that are done, 0 to 1.
        end: 1 in the paper, 0.5 in the released code.
    """
    return 1 + (end - 1) * progress


def negative_share(progress: float, hold: float) -> float:
    """By what the negative weight is multiplied: 1 for the first `hold` of all steps, then in a
    straight line to 0.

    Args:
        progress: share of the steps that are done, 0 to 1.
        hold: 1 in the paper (no decay), 0.4 in the released code.
    """
    return 1.0 if progress <= hold else (1 - progress) / (1 - hold)
