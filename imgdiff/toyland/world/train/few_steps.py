"""The diffusion model, distilled to a few steps without a second half for guidance.

Data: the latents that it was trained on, noised to the steps of the student's own sampler. Loss:
progressive distillation (Salimans and Ho 2022, arXiv 2202.00512), all halvings at once: from such a
step the teacher goes to the student's next one in several smaller steps, guided (Meng et al. 2023,
arXiv 2210.03142); the student learns the v that brings it there in one. The sampler stays DDIM,
which draws no noise on its way, so prompt-to-prompt needs nothing new.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.captions import scene_caption
from imgdiff.toyland.world.scenes import SIDE
from imgdiff.toyland.world.train.diffusion import DRAWN_POOL, drawn_scene
from imgdiff.toyland.world.train.latents import batch_of, make_pool

STEPS, SUBSTEPS = 5, 5  # of the sampler, a divisor of 1000; of the teacher for each of them
GUIDANCE = 3.0
BATCH = 16


@dataclass(frozen=True)
class Level:
    """A noise level: share of the clean latents and of the noise in noisy ones, [N, 1, 1, 1]."""

    clean: Tensor
    noise: Tensor

    def noisy(self, clean: Tensor, noise: Tensor) -> Tensor:
        return self.clean * clean + self.noise * noise


def level(scheduler: DDIMScheduler, timesteps: Tensor) -> Level:
    """The level of timesteps [N]; below 0 nothing is noise."""
    shares = scheduler.alphas_cumprod.to(timesteps.device)[timesteps.clamp(min=0)]
    shares = torch.where(timesteps < 0, torch.ones_like(shares), shares).view(-1, 1, 1, 1)
    return Level(shares.sqrt(), (1 - shares).sqrt())


def ddim_step(noisy: Tensor, v: Tensor, here: Level, there: Level) -> Tensor:
    """From one level to another one along the predicted v."""
    clean = here.clean * noisy - here.noise * v
    noise = here.noise * noisy + here.clean * v
    return there.noisy(clean, noise)


def v_that_leads_to(noisy: Tensor, wanted: Tensor, here: Level, there: Level) -> Tensor:
    """The v with which `ddim_step` goes from `noisy` to `wanted`."""
    along = there.clean * here.clean + there.noise * here.noise
    across = there.noise * here.clean - there.clean * here.noise
    return (wanted - along * noisy) / across


class Predictor(nn.Module):
    """UNet and text encoders of a pipeline; captions in, v out."""

    def __init__(self, pipeline: StableDiffusionXLPipeline) -> None:
        super().__init__()
        self.tokenizer: Any = pipeline.tokenizer
        self.text_encoder, self.text_encoder_2 = pipeline.text_encoder, pipeline.text_encoder_2
        self.unet = pipeline.unet

    def encode(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Token vectors [N, T, D] and pooled vectors [N, D / 2], as the pipeline makes them."""
        ids = self.tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids.to(device())
        one = self.text_encoder(ids, output_hidden_states=True)
        two = self.text_encoder_2(ids, output_hidden_states=True)
        return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1), two[0]

    def forward(self, noisy: Tensor, timesteps: Tensor, text: tuple[Tensor, Tensor]) -> Tensor:
        vectors, pooled = text
        sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], device=device()).float()
        added = {"text_embeds": pooled, "time_ids": sizes.expand(len(noisy), -1)}
        return self.unet(noisy, timesteps, vectors, added_cond_kwargs=added).sample.float()

    def guided(self, noisy: Tensor, timesteps: Tensor, text: tuple[Tensor, Tensor]) -> Tensor:
        """As classifier-free guidance does it; no caption is a caption of zeros."""
        both = tuple(torch.cat([torch.zeros_like(part), part]) for part in text)
        twice = self(torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), both)
        without, having = twice.chunk(2)
        return without + GUIDANCE * (having - without)


def grid(scheduler: DDIMScheduler, steps: int) -> Tensor:
    """The timesteps of a sampler of so many steps, and -1 behind them."""
    scheduler.set_timesteps(steps)
    return torch.cat([scheduler.timesteps, torch.tensor([-1])])


@torch.no_grad()
def target(
    teacher: Predictor,
    scheduler: DDIMScheduler,
    noisy: Tensor,
    start: Tensor,
    end: Tensor,
    text: tuple[Tensor, Tensor],
) -> Tensor:
    """The v that takes the student from timesteps `start` [N] to `end` [N] in one step, as the
    guided teacher goes in SUBSTEPS."""
    here = noisy
    places = [start + (end - start) * k // SUBSTEPS for k in range(SUBSTEPS + 1)]
    for now, then in itertools.pairwise(places):
        v = teacher.guided(here, now, text)
        here = ddim_step(here, v, level(scheduler, now), level(scheduler, then))
    return v_that_leads_to(noisy, here, level(scheduler, start), level(scheduler, end))


def train(folder: Path, steps: int, diffusion: Path, pool: Path) -> StableDiffusionXLPipeline:
    """Distil the pipeline in folder `diffusion` on the pool of its training in folder `pool`."""
    torch.manual_seed(0)
    teacher, student = (
        StableDiffusionXLPipeline.from_pretrained(
            diffusion, dtype=torch.float32, add_watermarker=False
        ).to(device())
        for _ in range(2)
    )
    scheduler = teacher.scheduler
    model, guide = Predictor(student), Predictor(teacher).requires_grad_(False).eval()
    for text in (model.text_encoder, model.text_encoder_2):
        text.requires_grad_(False)
    model.unet.to(memory_format=torch.channels_last)
    if device().type == "cpu":
        # on a CPU the backward pass of fused attention takes longer than that of explicit maps
        model.unet.set_attn_processor(AttnProcessor())
    scenes = make_pool(teacher.vae, pool, drawn_scene, DRAWN_POOL)
    stops = grid(scheduler, STEPS).to(device())

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([8, step])
        rows = rng.integers(len(scenes.latents), size=BATCH)
        captions = [scene_caption(drawn_scene(int(seed)), rng) for seed in rows]
        clean = batch_of(scenes, rows)[0]
        at = torch.from_numpy(rng.integers(STEPS, size=BATCH)).to(device())
        start, end = stops[at], stops[at + 1]
        noisy = level(scheduler, start).noisy(clean, torch.randn_like(clean))
        with torch.no_grad():
            text = model.encode(captions)
        wanted = target(guide, scheduler, noisy, start, end, text)
        return {"v": (model(noisy, start, text) - wanted).square().mean()}

    fit(model, losses, Schedule(steps=steps, lr=3e-4, ema=0.998), folder)
    return student
