"""Prompt-to-prompt on Stable Diffusion XL (Hertz et al. 2022, arXiv 2208.01626), without attention
maps.

A replaced word takes over the attention of the word it replaces. Every edit of the method is linear
in the attention probabilities P_a of the source, so it can be applied to the values instead of to
the map:

    textbook   out_b = (P_a M) V_b      P_a: [queries, tokens of a], M: [tokens of a, tokens of b]
    here       out_b = P_a (M V_b)      P_a never exists, fused attention does the rest

so an edited layer runs torch's scaled_dot_product_attention with the source's queries and keys and
mixed values.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgdiff.editing.words import Span


@dataclass(frozen=True)
class CaptionPair:
    """Two captions that differ in one span of characters each, and the seed that both images start
    from."""

    caption_a: str
    caption_b: str
    span_a: Span
    span_b: Span
    seed: int


@dataclass(frozen=True)
class Windows:
    """When and where the source's attention is taken over.

    self_steps, cross_steps: share of the denoising steps, from the first on, in [0, 1].
    self_side: self-attention is taken over where the map's side is at most this share of the latent
        side (the paper's a quarter at 1024 px; small models have only large maps).
    """

    self_steps: float = 0.4
    cross_steps: float = 0.8
    self_side: float = 0.25


def generate_pairs(
    pipeline: Any,
    pairs: Sequence[CaptionPair],
    steps: int,
    guidance: float,
    side: int | None,
    windows: Windows,
) -> np.ndarray:
    """Make image pairs: A is what the pipeline makes of caption_a alone, B is A with the span
    replaced.

    Args:
        pipeline: a `StableDiffusionXLPipeline` with any scheduler.
        pairs: any number; a pair's images do not depend on what shares its batch, but for rounding.
        steps, guidance: as in the pipeline; at guidance 1 or below there is no unconditional half.
        side: height and width in pixels; None for the model's own.
        windows: see `Windows`.

    Returns:
        [N, 2, H, W, 3] float32 in [0, 1] (or NaN, where a half-precision decoder overflowed), A
        before B.
    """
    captions = [pair.caption_a for pair in pairs] + [pair.caption_b for pair in pairs]
    maps = torch.stack([replacement_map(pipeline.tokenizer, pair) for pair in pairs])
    latent_side = (
        side or pipeline.default_sample_size * pipeline.vae_scale_factor
    ) // pipeline.vae_scale_factor
    edit = _Edit(
        maps=maps.to(pipeline.device, pipeline.unet.dtype),
        # as the pipeline decides it: a guidance-distilled UNet takes the scale as an input instead
        guided=guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None,
        self_until=round(windows.self_steps * steps),
        cross_until=round(windows.cross_steps * steps),
        largest_map=round(windows.self_side * latent_side) ** 2,
    )
    # one generator object an image: the same object listed twice would give two noises
    generators = [torch.Generator("cpu").manual_seed(pair.seed) for _ in range(2) for pair in pairs]
    with _edited(pipeline.unet, edit):
        made = pipeline(
            prompt=captions,
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=side,
            width=side,
            generator=generators,
            callback_on_step_end=edit.advance,
            output_type="np",
        ).images
    return np.stack([made[: len(pairs)], made[len(pairs) :]], axis=1).astype(np.float32)


def replacement_map(tokenizer: Any, pair: CaptionPair) -> Tensor:
    """M [T, T] float32: how much of source token i's attention goes to target token j; rows sum to
    1.

    Outside the spans tokens map one to one; inside, each of the m source tokens spreads over the n
    target tokens by 1/n. T is the text encoder's length; what is pushed beyond it stays on the last
    token.

    Raises:
        ValueError: a caption is longer than the text encoder reads, or a span holds no token.
    """
    length = tokenizer.model_max_length
    first_a, last_a = _token_range(tokenizer, pair.caption_a, pair.span_a)
    first_b, last_b = _token_range(tokenizer, pair.caption_b, pair.span_b)
    result = torch.zeros(length, length)
    for i in range(length):
        if first_a <= i < last_a:
            result[i, first_b:last_b] = 1 / (last_b - first_b)
        else:
            shift = 0 if i < first_a else last_b - last_a
            result[i, min(i + shift, length - 1)] = 1
    return result


def _token_range(tokenizer: Any, caption: str, span: Span) -> tuple[int, int]:
    """First token of the span and the one behind its last."""
    encoded = tokenizer(caption, return_offsets_mapping=True)
    offsets, limit = encoded["offset_mapping"], tokenizer.model_max_length
    if len(offsets) > limit:
        raise ValueError(
            f"caption has {len(offsets) - 2} tokens, the text encoder reads {limit - 2}"
        )
    inside = [k for k, (start, end) in enumerate(offsets) if start < span.end and end > span.start]
    if not inside:
        raise ValueError(f"characters {span.start} to {span.end} of the caption hold no token")
    return inside[0], inside[-1] + 1


@dataclass
class _Edit:
    """What the attention layers need to know; `step` advances with the pipeline's callback."""

    maps: Tensor  # [N, T, T]
    guided: bool
    self_until: int
    cross_until: int
    largest_map: int  # queries
    step: int = 0

    def advance(
        self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self.step = step + 1
        return tensors

    def sources(self, batch: int) -> slice:
        """Rows of the sources in a UNet batch of [A, B], or [A, B] without and then [A, B] with
        captions."""
        count = len(self.maps)
        start = batch // 2 if self.guided else 0
        return slice(start, start + count)

    def targets(self, batch: int) -> slice:
        sources = self.sources(batch)
        return slice(sources.stop, sources.stop + len(self.maps))


class _EditedAttention:
    """diffusers' attention processor for a UNet, with the source's attention in the edited rows."""

    def __init__(self, edit: _Edit) -> None:
        self.edit = edit

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        batch, queries, _ = hidden_states.shape
        crossed = encoder_hidden_states is not None
        context = encoder_hidden_states if crossed else hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        sources, targets = self.edit.sources(batch), self.edit.targets(batch)
        taken_over = (
            self.edit.step < self.edit.cross_until
            if crossed
            else self.edit.step < self.edit.self_until and queries <= self.edit.largest_map
        )
        if taken_over:
            query = _with_rows(query, targets, query[sources])
            key = _with_rows(key, targets, key[sources])
            if crossed:
                value = _with_rows(value, targets, self.edit.maps @ value[targets])
        query, key, value = (
            tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for tensor in (query, key, value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        mixed = mixed.transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](mixed))


def _with_rows(tensor: Tensor, rows: slice, content: Tensor) -> Tensor:
    return torch.cat([tensor[: rows.start], content, tensor[rows.stop :]])


@contextmanager
def _edited(unet: Any, edit: _Edit) -> Iterator[None]:
    """The UNet's attention layers edit, and are themselves again afterwards."""
    before = unet.attn_processors
    unet.set_attn_processor({name: _EditedAttention(edit) for name in before})
    try:
        yield
    finally:
        unet.set_attn_processor(before)
