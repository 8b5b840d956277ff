"""Which tokens of a source caption stand for which tokens of a target caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imgdiff.text.words import Span


@dataclass(frozen=True)
class Alignment:
    """How a target caption takes over the attention that a source caption's tokens get.

    taken: M [T, T] float32; entry (i, j) says how much of the attention to source token i goes to
        target token j. T is the length that the text encoder reads.
    new: [T] bool, the target tokens for which nothing in the source stands: their columns of M are
        zero, and they keep an attention of their own.
    """

    taken: Tensor
    new: Tensor


def replacement(
    tokenizer: Any, caption_a: str, caption_b: str, span_a: Span, span_b: Span
) -> Alignment:
    """One span gives way to another one (Hertz et al. 2022, section 3.2, word swap).

    Outside the spans tokens map one to one. Inside, spans of equally many tokens do so too; else
    each of the m source tokens spreads over the n target tokens by 1/n. What is pushed beyond the
    text encoder's length stays on the last token. Unlike the method's published code the tokens
    behind the spans stay with their words when m and n differ.

    Raises:
        ValueError: a caption is longer than the text encoder reads, or a span holds no token.
    """
    length = tokenizer.model_max_length
    old, new = token_range(tokenizer, caption_a, span_a), token_range(tokenizer, caption_b, span_b)
    taken = torch.zeros(length, length)
    for i in range(length):
        if i not in old:
            shift = 0 if i < old.start else new.stop - old.stop
            taken[i, min(i + shift, length - 1)] = 1
        elif len(old) == len(new):
            taken[i, new[i - old.start]] = 1
        else:
            taken[i, new.start : new.stop] = 1 / len(new)
    return Alignment(taken, torch.zeros(length, dtype=torch.bool))


def refinement(tokenizer: Any, caption_a: str, caption_b: str) -> Alignment:
    """Any change of words (Hertz et al. 2022, section 3.2, adding a new phrase).

    The longest common subsequence of tokens maps one to one; all other target tokens are new. Among
    equally long ones it is the subsequence that the method's published code finds.

    Raises:
        ValueError: a caption is longer than the text encoder reads.
    """
    length = tokenizer.model_max_length
    ids_a, ids_b = _ids(tokenizer, caption_a), _ids(tokenizer, caption_b)
    taken, new = torch.zeros(length, length), torch.zeros(length, dtype=torch.bool)
    new[: len(ids_b)] = True
    for i, j in _common(ids_a, ids_b):
        taken[i, j], new[j] = 1, False
    for j in range(len(ids_b), length):  # padding stays with padding
        taken[min(j - len(ids_b) + len(ids_a), length - 1), j] = 1
    return Alignment(taken, new)


def token_range(tokenizer: Any, caption: str, span: Span) -> range:
    """The tokens that hold any character of the span.

    Raises:
        ValueError: the caption is longer than the text encoder reads, or no token does.
    """
    _ids(tokenizer, caption)
    offsets = tokenizer(caption, return_offsets_mapping=True)["offset_mapping"]
    inside = [k for k, (start, end) in enumerate(offsets) if start < span.end and end > span.start]
    if not inside:
        raise ValueError(f"characters {span.start} to {span.end} of {caption!r} hold no token")
    return range(inside[0], inside[-1] + 1)


def _ids(tokenizer: Any, caption: str) -> list[int]:
    """The caption's tokens, start and end included."""
    ids: list[int] = tokenizer(caption)["input_ids"]
    limit = tokenizer.model_max_length
    if len(ids) > limit:
        message = f"caption has {len(ids) - 2} tokens, the text encoder reads {limit - 2}"
        raise ValueError(f"{message}: {caption!r}")
    return ids


def _common(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Places (in a, in b) of a longest common subsequence, from the last to the first."""
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a, start=1):
        for j, other in enumerate(b, start=1):
            longest[i][j] = max(
                longest[i][j - 1], longest[i - 1][j], longest[i - 1][j - 1] + (one == other)
            )
    i, j, places = len(a), len(b), []
    while i and j:
        # of several ways the one that skips in b, then the one that skips in a
        if longest[i][j] == longest[i][j - 1]:
            j -= 1
        elif longest[i][j] == longest[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            places.append((i, j))
    return places
