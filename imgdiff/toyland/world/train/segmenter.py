"""The embedded Segment Anything: 128 px, patch 8, so that masks are 64 x 64.

Data: scenes drawn afresh, half of them softened; six points on things and two beside them for each.
Loss: as in the SAM paper (appendix A): focal + dice on the best of three masks, mean square on the
predicted IoU. A point on the ground has no mask: its predicted IoU is 0, so that everything mode
drops it.
"""

from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from imgdiff.models.families.sam import build_sam
from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.train.segmenter import (
    BESIDE,
    CONFIG,
    ON_OBJECTS,
    decode_masks,
    mask_losses,
    shrink_mask,
)
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.views import render

BATCH = 8


def sample(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [B, 128, 128, 3] uint8, points [B, P, 2] xy pixels, targets [B, P, M, M] in [0, 1]."""
    images, points, targets = [], [], []
    for k in range(BATCH):
        rng = generator("train", step * BATCH + k)
        picture = render(sample_scene(rng), rng)
        empty = ~picture.masks.any(0)
        chosen = [picture.masks[int(rng.integers(len(picture.masks)))] for _ in range(ON_OBJECTS)]
        places = [rng.choice(np.argwhere(mask)) for mask in [*chosen, *[empty] * BESIDE]]
        nothing = np.zeros_like(empty)
        images.append(picture.image)
        points.append(np.stack(places)[:, ::-1] + 0.5)
        targets.append([shrink_mask(mask) for mask in [*chosen, *[nothing] * BESIDE]])
    return np.stack(images), np.stack(points).astype(np.float32), np.array(targets, np.float32)


def train(folder: Path, steps: int) -> Sam:
    torch.manual_seed(0)
    sam = build_sam(CONFIG).to(device())

    def losses(step: int) -> dict[str, Tensor]:
        images, points, targets = (torch.from_numpy(a).to(device()) for a in sample(step))
        pixels = images.permute(0, 3, 1, 2).float()
        embeddings = sam.image_encoder((pixels - sam.pixel_mean) / sam.pixel_std)
        pairs = [decode_masks(sam, embeddings[k], points[k]) for k in range(BATCH)]
        logits, quality = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        return mask_losses(logits, quality, targets.flatten(0, 1))

    fit(sam, losses, Schedule(steps=steps, lr=1e-3), folder)
    return sam
