"""The autoencoder's decoder, made sharper, and taught to put up with what a UNet makes of its
latents.

Data: whole scenes drawn afresh, encoded by the finished, frozen encoder; noise of up to
`MOST_NOISE` of their deviation is added to the latents of half of them. Loss: as the autoencoder's,
where pixels of things count four times. Since the encoder stays as it is, so do the latents: a
diffusion model that was trained on them can use the new decoder.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.scenes import draw
from imgdiff.toyland.world.train.autoencoder import to_tensor

BATCH = 6
FIRST_SEED = 500_000  # the autoencoder saw the scenes before
MOST_NOISE = 0.3
THING_WEIGHT = 3.0  # added to the 1 that every pixel weighs


def train(folder: Path, steps: int, autoencoder: Path) -> AutoencoderKL:
    """Go on with the decoder of the autoencoder in that folder."""
    torch.manual_seed(0)
    model = AutoencoderKL.from_pretrained(autoencoder).to(device(), torch.float32)
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(False)

    def losses(step: int) -> dict[str, Tensor]:
        seeds = [FIRST_SEED + step * BATCH + k for k in range(BATCH)]
        pictures = [draw(sample_scene(generator("train", seed))) for seed in seeds]
        target = to_tensor(np.stack([picture.image for picture in pictures]))
        things = torch.from_numpy(np.stack([picture.masks.any(0) for picture in pictures]))
        weight = 1 + THING_WEIGHT * things.to(device())[:, None].float()
        weight = weight / weight.mean()
        with torch.no_grad():
            latents = model.encode(target).latent_dist.mean.float()
            share = (torch.rand(BATCH, 1, 1, 1, device=device()) * 2 - 1).clamp(min=0)
            noise = MOST_NOISE * share * latents.std((0, 2, 3), keepdim=True)
            latents = latents + noise * torch.randn_like(latents)
        error = model.decode(latents).sample.float() - target
        slopes = [error.diff(dim=dim).abs().mean() for dim in (2, 3)]
        return {
            "l1": (weight * error.abs()).mean(),
            "l2": 4 * (weight * error.square()).mean(),
            "gradient": 0.5 * sum(slopes),
        }

    schedule = Schedule(steps=steps, lr=1e-3, ema=0.998, bfloat16=False)
    fit(model, losses, schedule, folder)
    return model
