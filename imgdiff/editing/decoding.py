"""From latents to pictures, a few at a time."""

from typing import Any

import torch
from torch import Tensor

AT_ONCE = 4


@torch.no_grad()
def decode(pipeline: Any, latents: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Decode latents as the pipeline would.

    Args:
        pipeline: a `StableDiffusionXLPipeline`.
        latents: [N, C, h, w].
        dtype: of the computation; by default the decoder's own, or float32 where its config says
            that half precision overflows.

    Returns:
        [N, 3, H, W] float32 in [0, 1] on the CPU; NaN where a half-precision decoder overflowed.
    """
    vae, config = pipeline.vae, pipeline.vae.config
    before = vae.dtype
    upcast = before == torch.float16 and config.force_upcast
    wanted = dtype or (torch.float32 if upcast else before)
    latents = latents.to(vae.device, wanted) / config.scaling_factor
    if getattr(config, "latents_mean", None) is not None:
        mean, deviation = (
            torch.tensor(v, device=vae.device, dtype=wanted).view(1, -1, 1, 1)
            for v in (config.latents_mean, config.latents_std)
        )
        latents = latents * deviation + mean
    if wanted != before:
        vae.to(wanted)
    try:
        parts = [vae.decode(part).sample.float().cpu() for part in latents.split(AT_ONCE)]
    finally:
        if wanted != before:
            vae.to(before)
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)
