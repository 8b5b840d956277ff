"""From latents to pictures, a few at a time."""

from typing import Any

import torch
from torch import Tensor

AT_ONCE = 4


@torch.no_grad()
def decode(pipeline: Any, latents: Tensor) -> Tensor:
    """Decode latents as the pipeline would, slice by slice.

    A picture that overflows in half precision is decoded once more in float32.

    Args:
        pipeline: a `StableDiffusionXLPipeline`.
        latents: [N, C, h, w].

    Returns:
        [N, 3, H, W] float32 in [0, 1] on the CPU; NaN where the latents themselves are NaN.
    """
    vae = pipeline.vae
    own = torch.float32 if vae.dtype == torch.float16 and vae.config.force_upcast else vae.dtype
    images = _decode_as(own, vae, latents)
    broken = ~images.isfinite().flatten(1).all(1)
    if broken.any() and own != torch.float32:
        images[broken] = _decode_as(torch.float32, vae, latents[broken.to(latents.device)])
    return images


def _decode_as(dtype: torch.dtype, vae: Any, latents: Tensor) -> Tensor:
    before, config = vae.dtype, vae.config
    latents = latents.to(vae.device, dtype) / config.scaling_factor
    if getattr(config, "latents_mean", None) is not None:
        mean, deviation = (
            torch.tensor(v, device=vae.device, dtype=dtype).view(1, -1, 1, 1)
            for v in (config.latents_mean, config.latents_std)
        )
        latents = latents * deviation + mean
    if dtype != before:
        vae.to(dtype)
    try:
        parts = [vae.decode(part).sample.float().cpu() for part in latents.split(AT_ONCE)]
    finally:
        if dtype != before:
            vae.to(before)
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)
