"""The autoencoder of the embedded SDXL pipeline: 128 px pictures to 16 x 16 x 4 latents and back.

Data: scenes drawn afresh; at first cut to 64 px around an object, where the detail is (a quarter of
the cost of whole scenes), then whole, because the group norms must also meet wide empty ground.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from imgdiff.toyland.scenes import SIZE, draw, generator, sample_scene
from imgdiff.toyland.train.loop import Schedule, device, fit

CROP, CROPS = 64, 32
WHOLE = 8  # whole scenes of a batch
CROP_STEPS = 2700  # whole scenes from then on


def new_model() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 32, 96, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        mid_block_add_attention=False,
        sample_size=SIZE,
        force_upcast=False,
    )


def to_tensor(images: np.ndarray) -> Tensor:
    """[N, H, W, 3] uint8 -> [N, 3, H, W] float32 in [-1, 1]."""
    return torch.from_numpy(images).to(device()).permute(0, 3, 1, 2).float() / 127.5 - 1


def scene_crops(step: int, split: str = "train") -> np.ndarray:
    """[CROPS, CROP, CROP, 3] uint8, each around some object, nudged at random."""
    cut = []
    for k in range(CROPS):
        rng = generator(split, step * CROPS + k)
        scene = sample_scene(rng, held_out=bool(rng.random() < 0.1))
        thing = scene.objects[int(rng.integers(len(scene.objects)))]
        left, top = (
            int(np.clip(centre - CROP / 2 + rng.uniform(-20, 20), 0, SIZE - CROP))
            for centre in (thing.x, thing.y)
        )
        cut.append(draw(scene).image[top : top + CROP, left : left + CROP])
    return np.stack(cut)


def whole_scenes(step: int) -> np.ndarray:
    """[WHOLE, SIZE, SIZE, 3] uint8."""
    rngs = [generator("train", step * CROPS + k) for k in range(WHOLE)]
    return np.stack(
        [draw(sample_scene(rng, held_out=bool(rng.random() < 0.1))).image for rng in rngs]
    )


def train(folder: Path, steps: int) -> AutoencoderKL:
    torch.manual_seed(0)
    model = new_model().to(device(), memory_format=torch.channels_last)

    def losses(step: int) -> dict[str, Tensor]:
        pictures = scene_crops(step) if step < CROP_STEPS else whole_scenes(step)
        target = to_tensor(pictures).contiguous(memory_format=torch.channels_last)
        latents = model.encode(target).latent_dist
        restored = model.decode(latents.sample()).sample.float()
        error = restored - target
        slopes = [(error.diff(dim=dim)).abs().mean() for dim in (2, 3)]
        return {
            "l1": error.abs().mean(),
            "l2": 4 * error.square().mean(),
            "gradient": 0.5 * sum(slopes),
            "kl": 1e-4 * latents.kl().mean() / latents.mean[0, 0].numel(),
        }

    fit(model, losses, Schedule(steps=steps, lr=2e-3, ema=0.998), folder)
    return model


@torch.no_grad()
def psnr(model: AutoencoderKL, scenes: int = 64) -> float:
    """Mean peak signal-to-noise ratio (dB) of restored test scenes, means of the latents
    decoded."""
    pictures = np.stack(
        [draw(sample_scene(generator("test", seed))).image for seed in range(scenes)]
    )
    target = to_tensor(pictures)
    restored = model.decode(model.encode(target).latent_dist.mean).sample.clamp(-1, 1)
    error = ((restored - target) / 2).square().mean(dim=(1, 2, 3))
    return float((-10 * error.log10()).mean())
