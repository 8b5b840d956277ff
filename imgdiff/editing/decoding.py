"""From latents to pictures and back, as many at a time as fit in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from imgdiff.editing.costs import coding_bytes
from imgdiff.models.memory import parts_of


@torch.no_grad()
def decode(pipeline: Any, latents: Tensor) -> Tensor:
    """Decode latents as the pipeline would, in parts.

    A picture that overflows in half precision is decoded once more in float32.

    Args:
        pipeline: a `StableDiffusionXLPipeline`.
        latents: [N, C, h, w].

    Returns:
        [N, 3, H, W] float32 in [0, 1] on the CPU; NaN where the latents themselves are NaN.
    """
    vae, own = pipeline.vae, _own_dtype(pipeline.vae)
    images = _decode_as(own, vae, latents)
    broken = ~images.isfinite().flatten(1).all(1)
    if broken.any() and own != torch.float32:
        images[broken] = _decode_as(torch.float32, vae, latents[broken.to(latents.device)])
    return images


@torch.no_grad()
def encode(pipeline: Any, images: Tensor) -> Tensor:
    """Encode pictures so that `decode` gives them back.

    Diffusers' own pipelines leave out the mean and deviation of the latents that their decoding
    undoes: with an autoencoder that has them, pictures come back in other colours.

    Args:
        pipeline: a `StableDiffusionXLPipeline`.
        images: [N, 3, H, W] float32 in [0, 1].

    Returns:
        [N, C, h, w] of the UNet's dtype, the likeliest latents of each picture.
    """
    vae, dtype = pipeline.vae, _own_dtype(pipeline.vae)
    pictures = (2 * images - 1).to(vae.device, dtype)
    with _cast(vae, dtype):
        parts = _in_parts(vae, pictures, 1, lambda part: vae.encode(part).latent_dist.mode())
    mean, deviation = _shift(vae, dtype)
    latents = (torch.stack(parts) - mean) / deviation * vae.config.scaling_factor
    return latents.to(pipeline.unet.dtype)


def _decode_as(dtype: torch.dtype, vae: Any, latents: Tensor) -> Tensor:
    mean, deviation = _shift(vae, dtype)
    latents = latents.to(vae.device, dtype) / vae.config.scaling_factor * deviation + mean
    scale = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels of a latent
    with _cast(vae, dtype):
        parts = _in_parts(vae, latents, scale, lambda part: vae.decode(part).sample.float().cpu())
    return (torch.stack(parts) / 2 + 0.5).clamp(0, 1)


def _in_parts(
    vae: Any, given: Tensor, scale: int, work: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Of [N, ...] as many at once as fit in memory; scale: pixels of a picture to one of `given`,
    along a side."""
    cost = coding_bytes(vae, scale**2 * given.shape[2] * given.shape[3])
    return parts_of(vae).run(
        list(given), [cost] * len(given), lambda part: list(work(torch.stack(tuple(part))))
    )


def _own_dtype(vae: Any) -> torch.dtype:
    """The one it works in: some overflow in half precision, and say so."""
    return torch.float32 if vae.dtype == torch.float16 and vae.config.force_upcast else vae.dtype


def _shift(vae: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents, [1, C or 1, 1, 1]; 0 and 1 where the autoencoder has
    none."""
    given = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    values = ([0.0], [1.0]) if given[0] is None else given
    mean, deviation = (
        torch.tensor(v, device=vae.device, dtype=dtype).view(1, -1, 1, 1) for v in values
    )
    return mean, deviation


@contextmanager
def _cast(vae: Any, dtype: torch.dtype) -> Iterator[None]:
    """The autoencoder in another dtype, for as long as it is needed."""
    before = vae.dtype
    if dtype == before:
        yield
        return
    vae.to(dtype)
    try:
        yield
    finally:
        vae.to(before)
