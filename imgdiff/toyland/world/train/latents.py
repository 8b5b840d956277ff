"""Scenes encoded once, for the training of diffusion models."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from imgdiff.toyland.train import together
from imgdiff.toyland.train.loop import device
from imgdiff.toyland.world.scenes import SIDE, Picture, Scene, draw
from imgdiff.toyland.world.train.autoencoder import CELL, to_tensor
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS

CHUNK = 4096  # scenes of a file
BATCH = 32
GRID = SIDE // CELL
LABEL_CELLS = 2  # latents of a label cell, each way
LEAST_LABELLED = 0.3  # of a label cell, from which on it counts as showing a thing


@dataclass(frozen=True)
class Pool:
    """Encoded scenes; number k is the scene of seed k.

    latents: [N, 4, 32, 32], normalised. cover: [N, 1, 32, 32] in [0, 1], how much of a latent shows
    a thing. labels: [N, 2, 16, 16], number of the category and of the colour, 0 for the ground.
    mean, deviation: [4], of the latents as the autoencoder made them.
    """

    latents: Tensor
    cover: Tensor
    labels: Tensor
    mean: Tensor
    deviation: Tensor


def make_pool(vae: AutoencoderKL, folder: Path, scene: Callable[[int], Scene], count: int) -> Pool:
    """The scenes of the first `count` seeds, encoded once and kept in `folder`, file by file; a
    pool that was interrupted, or is to be larger, goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{first:07d}.npz" for first in range(0, count, CHUNK)]
    with together.first_alone():
        for number, file in enumerate(files):
            if not file.exists():
                _encode(vae, file, scene, range(number * CHUNK, (number + 1) * CHUNK))
    parts = [np.load(file) for file in files]
    latents, cover = (
        torch.from_numpy(np.concatenate([part[name] for part in parts]))
        for name in ("latents", "cover")
    )
    labels = torch.from_numpy(np.concatenate([part["labels"] for part in parts]))
    sample = latents[:CHUNK].float()  # always the same: what was learned stays right
    mean, deviation = sample.mean((0, 2, 3)), sample.std((0, 2, 3))
    return Pool(latents, cover, labels, mean, deviation)


def batch_of(pool: Pool, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised latents [N, 4, 32, 32], cover [N, 1, 32, 32] and labels [N, 2, 16, 16] of some
    rows."""
    chosen = torch.from_numpy(rows)
    latents = pool.latents[chosen].float()
    latents = (latents - pool.mean.view(1, 4, 1, 1)) / pool.deviation.view(1, 4, 1, 1)
    cover, labels = pool.cover[chosen].float(), pool.labels[chosen].long()
    return latents.to(device()), cover.to(device()), labels.to(device())


@torch.no_grad()
def _encode(vae: AutoencoderKL, file: Path, scene: Callable[[int], Scene], seeds: range) -> None:
    latents, cover, labels = [], [], []
    for start in range(seeds.start, seeds.stop, BATCH):
        shown = [scene(seed) for seed in range(start, min(start + BATCH, seeds.stop))]
        pictures = [draw(one) for one in shown]
        pixels = to_tensor(np.stack([picture.image for picture in pictures]))
        latents.append(vae.encode(pixels).latent_dist.mean.half().cpu().numpy())
        shares = [cell_cover(picture.masks, GRID).sum(0, keepdims=True) for picture in pictures]
        cover.append(np.stack(shares).astype(np.float16))
        labels.append(np.stack([cell_labels(*pair) for pair in zip(shown, pictures, strict=True)]))
    partial = file.with_suffix(".tmp.npz")
    np.savez(
        partial,
        latents=np.concatenate(latents),
        cover=np.concatenate(cover),
        labels=np.concatenate(labels),
    )
    partial.replace(file)


def cell_cover(masks: np.ndarray, grid: int) -> np.ndarray:
    """masks [N, 128, 128] -> the share of each cell that each thing covers, [N, grid, grid]."""
    cell = SIDE // grid
    return masks.reshape(len(masks), grid, cell, grid, cell).mean((2, 4))


def cell_labels(scene: Scene, picture: Picture) -> np.ndarray:
    """Category and colour of the thing that covers most of each cell, [2, 16, 16] uint8."""
    cover = cell_cover(picture.masks, GRID // LABEL_CELLS)
    categories = [1 + list(CATEGORIES).index(thing.category) for thing in scene.things]
    colours = [1 + list(COLOURS).index(thing.colour) for thing in scene.things]
    most = np.array([categories, colours])[:, cover.argmax(0)]
    return np.where(cover.max(0) >= LEAST_LABELLED, most, 0).astype(np.uint8)
