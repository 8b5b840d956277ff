"""Pictures made hard to see by forward diffusion, to find out what a model says without seeing.

The schedule is that of visual contrastive decoding (VCD, Leng et al. 2024, arXiv 2311.16922). That
SEED (arXiv 2507.04680) distorts pictures in this way is our reconstruction.
"""

from functools import cache

import torch
from torch import Tensor

STEPS = 1000


@cache
def signal_shares() -> Tensor:
    """[1000] float64, falling from 1 to 0.08: the share of a picture's variance that is left after
    that many further steps, the product of 1 - beta with beta from 1e-5 to 5e-3 along a sigmoid."""
    beta = torch.sigmoid(torch.linspace(-6, 6, STEPS, dtype=torch.float64)) * (5e-3 - 1e-5) + 1e-5
    return torch.cumprod(1 - beta, 0)


def diffuse(pixels: Tensor, step: int, noise: Tensor) -> Tensor:
    """The pixels after `step` steps, of their shape and dtype.

    Args:
        pixels: as the model takes them, normalised, in any layout.
        step: 0 to 999; 500 leaves 0.863 of the signal under noise of 0.505, 999 0.285 under 0.959.
        noise: standard normal, of the same shape.
    """
    kept = signal_shares()[step].item()
    return kept**0.5 * pixels + (1 - kept) ** 0.5 * noise


def noise_like(pixels: Tensor, frames: int = 1) -> Tensor:
    """Standard normal noise, independent for every picture and for every tile of one.

    Args:
        pixels: [N, C, H, W] or [N, tiles, C, H, W]; or [P, C * frames * h * w], the flat patches of
            Qwen-VL, which hold a picture `frames` times as if it were a film. All of them get the
            same noise, or the model would average it away.
        frames: copies of a picture in flat patches (`temporal_patch_size`).
    """
    if pixels.ndim > 2 or frames == 1:
        return torch.randn_like(pixels)
    channels = 3
    one = torch.randn_like(pixels.view(len(pixels), channels, frames, -1)[:, :, :1])
    return one.expand(-1, -1, frames, -1).reshape(pixels.shape)
