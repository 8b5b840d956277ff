"""The autoencoder's decoder, taught to put up with what a UNet makes of its latents.

Data: whole scenes drawn afresh, encoded by the finished, frozen encoder; noise of up to
`MOST_NOISE` of their deviation is added to the latents of two in three. Loss: as the
autoencoder's, where pixels of things count four times. Since the encoder stays as it is, so do the
latents: a diffusion model that was trained on them can use the new decoder.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.train.autoencoder import to_tensor
from imgdiff.toyland.train.loop import Schedule, device, fit

BATCH = 8
MOST_NOISE = 0.4
THING_WEIGHT = 3.0  # added to the 1 that every pixel weighs


def train(folder: Path, steps: int, autoencoder: Path) -> AutoencoderKL:
    """Go on with the decoder of the autoencoder in that folder."""
    torch.manual_seed(0)
    model = AutoencoderKL.from_pretrained(autoencoder).to(device(), torch.float32)
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(False)

    def losses(step: int) -> dict[str, Tensor]:
        rngs = [generator("train", step * BATCH + k) for k in range(BATCH)]
        scenes = [sample_scene(rng, held_out=bool(rng.random() < 0.1)) for rng in rngs]
        pictures = [draw(scene) for scene in scenes]
        target = to_tensor(np.stack([picture.image for picture in pictures]))
        things = torch.from_numpy(np.stack([picture.masks.any(0) for picture in pictures]))
        weight = 1 + THING_WEIGHT * things.to(device())[:, None].float()
        weight = weight / weight.mean()
        with torch.no_grad():
            latents = model.encode(target).latent_dist.mean.float()
            share = (torch.rand(BATCH, 1, 1, 1, device=device()) * 1.5 - 0.5).clamp(min=0)
            noise = MOST_NOISE * share * latents.std((0, 2, 3), keepdim=True)
            latents = latents + noise * torch.randn_like(latents)
        error = model.decode(latents).sample.float() - target
        slopes = [error.diff(dim=dim).abs().mean() for dim in (2, 3)]
        return {
            "l1": (weight * error.abs()).mean(),
            "l2": 4 * (weight * error.square()).mean(),
            "gradient": 0.5 * sum(slopes),
        }

    fit(model, losses, Schedule(steps=steps, lr=1e-3, ema=0.998), folder)
    return model
