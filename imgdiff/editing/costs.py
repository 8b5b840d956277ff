"""What a picture takes in memory while it is drawn, encoded or decoded, beside the weights.

Rough figures, for `imgdiff.models.memory.Parts`: so many tensors of a network's first width at its
full size. What attention takes is in it, as its maps are never in memory.
"""

from typing import Any

UNET_TENSORS = 40
VAE_TENSORS = 7  # SDXL's decoder has 6 in memory, in bfloat16 7.5: it enlarges them in float32


def drawing_bytes(pipeline: Any, high: int, wide: int) -> float:
    """Of one picture of that many pixels in the UNet, its half without a caption included."""
    unet, cells = pipeline.unet, high * wide / pipeline.vae_scale_factor**2
    return float(2 * UNET_TENSORS * unet.config.block_out_channels[0] * cells * unet.dtype.itemsize)


def coding_bytes(vae: Any, pixels: int) -> float:
    """Of one picture of that many pixels in the autoencoder."""
    return float(VAE_TENSORS * vae.config.block_out_channels[0] * pixels * vae.dtype.itemsize)
