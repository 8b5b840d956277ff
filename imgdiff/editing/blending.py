"""Local blending: outside a mask, made of the attention to some words, the edit is the source."""

import torch
import torch.nn.functional as F
from torch import Tensor

from imgdiff.editing.plan import PlannedEdit


def blend_mask(
    maps: Tensor, map_size: tuple[int, int], latent_size: tuple[int, int], threshold: float
) -> Tensor:
    """Where the edit may differ (Hertz et al. 2022, section 3.2, and its published code).

    Args:
        maps: [2, queries] attention to the words in the source and in the edited row, summed over
            layers and steps.
        map_size, latent_size: height and width.
        threshold: of each map, after dilation by one cell and with its maximum at 1.

    Returns:
        [h, w] bool: cells of the latents where either map is above the threshold.
    """
    spread = F.max_pool2d(maps.view(2, 1, *map_size), 3, stride=1, padding=1)
    spread = F.interpolate(spread, size=latent_size)[:, 0]
    highest = spread.amax((1, 2), keepdim=True).clamp(min=torch.finfo(spread.dtype).tiny)
    return (spread / highest > threshold).any(0)


def blend(latents: Tensor, planned: PlannedEdit, mask: Tensor) -> None:
    """Put the source's latents into the edited row outside the mask, in place ([N, C, h, w])."""
    latents[planned.row] = torch.where(mask, latents[planned.row], latents[planned.source])
