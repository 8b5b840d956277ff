"""How fast models decode, taken in turns in one process, so that what else the machine does falls
on all of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from embedded.figures import Figure, bootstrapped
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.text import prompts
from imgdiff.training.seed.distortion import diffuse, noise_like
from imgdiff.training.seed.losses import purified

TOKENS = 24  # a caption's, always so many

Decoder = Callable[[], Any]


class Contrast(LogitsProcessor):
    """Contrastive decoding (VCD): every token is read a second time with the distorted picture."""

    def __init__(
        self, model: Any, batch: Mapping[str, Tensor], noise_step: int, alpha: float, beta: float
    ) -> None:
        pixels = batch["pixel_values"]
        distorted = diffuse(pixels, noise_step, noise_like(pixels))
        self._model, self._first = model, dict(batch) | {"pixel_values": distorted}
        self._strength, self._kept = (alpha, beta), None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        given = {"input_ids": input_ids[:, -1:]} if self._kept is not None else self._first
        out = self._model(**given, past_key_values=self._kept, use_cache=True)
        self._kept = out.past_key_values
        return purified(scores, out.logits[:, -1].float(), *self._strength)


def captioning(
    mllm: ImageTextToText,
    pictures: Sequence[np.ndarray],
    contrast: tuple[int, float, float] | None = None,
) -> Decoder:
    """Describes the pictures, greedily, in `TOKENS` tokens each.

    contrast: noise step, alpha and beta of contrastive decoding, or None for plain decoding.
    """
    batch = mllm.batch([Question((picture,), prompts.SCENE) for picture in pictures])
    how = {"do_sample": False, "min_new_tokens": TOKENS, "max_new_tokens": TOKENS}

    @torch.inference_mode()
    def decode() -> Any:
        extra = [Contrast(mllm.model, batch, *contrast)] if contrast else []
        return mllm.model.generate(**batch, **how, logits_processor=LogitsProcessorList(extra))

    return decode


def speed_ratio(
    name: str, meaning: str, base: Decoder, other: Decoder, turns: int, **bar: float
) -> Figure:
    """Tokens per second of `other` over those of `base`: the median of the turns' ratios. A turn
    is base, other, other, base, so that a steady drift of the machine cancels."""
    ratios = []
    for turn in range(-1, turns):  # the first one warms up
        seconds = [_seconds(decoder) for decoder in (base, other, other, base)]
        if turn >= 0:
            ratios.append((seconds[0] + seconds[3]) / (seconds[1] + seconds[2]))
    return bootstrapped(name, meaning, lambda some: float(np.median(some)), np.array(ratios), **bar)


def _seconds(decode: Decoder) -> float:
    started = time.perf_counter()
    decode()
    return time.perf_counter() - started
