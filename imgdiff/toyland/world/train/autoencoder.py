"""The autoencoder of the embedded SDXL pipeline: 128 px pictures to 32 x 32 x 4 latents and back.

Data: scenes drawn afresh, without combinations that are held out; at first cut to 64 px, mostly
around a thing, where the detail is (a quarter of the cost of whole scenes), then whole, because the
group norms must also meet wide empty ground. Four pixels a latent, where SDXL has eight: at 128 px
that is what sharp lines take.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.scenes import SIDE, draw

CHANNELS = (16, 32, 64)
CELL = 4  # pixels of a latent
CROP, CROPS = 64, 24
AROUND = 0.85  # of the crops are around a thing, the others anywhere
WHOLE = 6  # whole scenes of a batch
KL_WEIGHT = 3e-5  # of the nats of a latent's four channels
WHOLE_SHARE = 0.15  # of all steps, the last ones, see whole scenes


def new_model() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        mid_block_add_attention=False,
        sample_size=SIDE,
        force_upcast=False,
    )


def to_tensor(images: np.ndarray) -> Tensor:
    """[N, H, W, 3] uint8 -> [N, 3, H, W] float32 in [-1, 1]."""
    return torch.from_numpy(images).to(device()).permute(0, 3, 1, 2).float() / 127.5 - 1


def scene_crops(step: int, split: str = "train") -> np.ndarray:
    """[CROPS, CROP, CROP, 3] uint8."""
    cut = []
    for k in range(CROPS):
        rng = generator(split, step * CROPS + k)
        scene = sample_scene(rng)
        left, top = rng.integers(0, SIDE - CROP + 1, 2)
        if rng.random() < AROUND:
            thing = scene.things[int(rng.integers(len(scene.things)))]
            left, top = (
                int(np.clip(centre - CROP / 2 + rng.uniform(-20, 20), 0, SIDE - CROP))
                for centre in (thing.x, thing.y)
            )
        cut.append(draw(scene).image[top : top + CROP, left : left + CROP])
    return np.stack(cut)


def whole_scenes(step: int) -> np.ndarray:
    """[WHOLE, SIDE, SIDE, 3] uint8."""
    rngs = [generator("train", step * CROPS + k) for k in range(WHOLE)]
    return np.stack([draw(sample_scene(rng)).image for rng in rngs])


def train(folder: Path, steps: int) -> AutoencoderKL:
    torch.manual_seed(0)
    model = new_model().to(device(), memory_format=torch.channels_last)
    crop_steps = round(steps * (1 - WHOLE_SHARE))

    def losses(step: int) -> dict[str, Tensor]:
        pictures = scene_crops(step) if step < crop_steps else whole_scenes(step)
        target = to_tensor(pictures).contiguous(memory_format=torch.channels_last)
        latents = model.encode(target).latent_dist
        restored = model.decode(latents.sample()).sample.float()
        error = restored - target
        slopes = [(error.diff(dim=dim)).abs().mean() for dim in (2, 3)]
        return {
            "l1": error.abs().mean(),
            "l2": 4 * error.square().mean(),
            "gradient": 0.5 * sum(slopes),
            "kl": KL_WEIGHT * latents.kl().mean() / latents.mean[0, 0].numel(),
        }

    fit(model, losses, Schedule(steps=steps, lr=2e-3, ema=0.998, bfloat16=False), folder)
    return model
