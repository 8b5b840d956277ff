"""The embedded Segment Anything: 128 px, patch 8, so that masks are 64 x 64.

Data: scenes drawn afresh; six points on objects and two beside them for each.
Loss: as in the SAM paper (appendix A): focal + dice on the best of three masks, mean square on the
predicted IoU. A point on the ground has no mask: its predicted IoU is 0, so that everything mode
drops it.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import Tensor

from imgdiff.models.families.sam import SamConfig, build_sam
from imgdiff.toyland.scenes import SIZE, draw, generator, sample_scene
from imgdiff.toyland.train.loop import Schedule, device, fit

CONFIG = SamConfig(
    image_size=SIZE,
    patch_size=8,
    embed_dim=128,
    depth=4,
    num_heads=4,
    global_attn_indexes=(1, 3),
    window_size=8,
    prompt_embed_dim=64,
    decoder_mlp_dim=256,
    decoder_heads=4,
)
BATCH = 8
ON_OBJECTS, BESIDE = 6, 2
MASK_SIDE = SIZE // CONFIG.patch_size * 4


def sample(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [B, 128, 128, 3] uint8, points [B, P, 2] xy pixels, targets [B, P, M, M] in [0, 1]."""
    images, points, targets = [], [], []
    for k in range(BATCH):
        rng = generator("train", step * BATCH + k)
        picture = draw(sample_scene(rng, held_out=bool(rng.random() < 0.1)))
        empty = ~picture.masks.any(0)
        chosen = [picture.masks[int(rng.integers(len(picture.masks)))] for _ in range(ON_OBJECTS)]
        places = [rng.choice(np.argwhere(mask)) for mask in [*chosen, *[empty] * BESIDE]]
        nothing = np.zeros_like(empty)
        images.append(picture.image)
        points.append(np.stack(places)[:, ::-1] + 0.5)
        targets.append([shrink_mask(mask) for mask in [*chosen, *[nothing] * BESIDE]])
    return np.stack(images), np.stack(points).astype(np.float32), np.array(targets, np.float32)


def shrink_mask(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA)


def decode_masks(sam: Sam, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Mask logits [P, 3, M, M] and predicted IoU [P, 3] of one image's points [P, 2]."""
    labels = torch.ones(len(points), 1, device=points.device)
    sparse, dense = sam.prompt_encoder(points=(points[:, None], labels), boxes=None, masks=None)
    return sam.mask_decoder(
        image_embeddings=embedding[None],
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )


def mask_losses(logits: Tensor, quality: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Losses for logits [P, 3, M, M], predicted IoU [P, 3] and soft targets [P, M, M]."""
    logits, quality = logits.float(), quality.float()
    wanted = target[:, None].expand_as(logits)
    probability = logits.sigmoid()
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    focal = ((probability - wanted).abs() ** 2 * cross).mean((2, 3))
    overlap = 2 * (probability * wanted).sum((2, 3)) + 1
    dice = 1 - overlap / (probability.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    real = target.flatten(1).any(1)
    best = (20 * focal + dice).min(dim=1).values[real].mean()
    with torch.no_grad():
        sure, is_object = logits > 0, wanted > 0.5
        iou = (sure & is_object).sum((2, 3)) / (sure | is_object).sum((2, 3)).clamp(min=1)
    return {"mask": best, "iou": (quality - iou).square().mean()}


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
