"""How faithfully the embedded SDXL draws a caption, and how well its autoencoder gives
pictures back."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from rich.progress import track

from embedded.figures import Figure, mean, plain, share
from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.judge import Judge, Seen, look
from imgdiff.toyland.scenes import draw, generator, sample_scene

BATCH = 16


@dataclass(frozen=True)
class Drawn:
    """A generated picture, [128, 128, 3] uint8: what its caption names and what the judge sees."""

    caption: str
    named: list[str]
    image: np.ndarray
    seen: list[Seen]

    @property
    def faithful(self) -> bool:
        """Every named thing is there with its colour, once, and no other."""
        return Counter(thing.name for thing in self.seen) == Counter(self.named)


def draw_captions(
    pipeline: StableDiffusionXLPipeline,
    judge: Judge,
    things: int,
    count: int,
    steps: int,
    guidance: float,
    unseen: bool = False,
) -> list[Drawn]:
    """Pictures for captions of test scenes with that many things, the first of them of a
    combination that no training caption had, if `unseen`."""
    captions, named = [], []
    for k in range(count):
        rng = generator("test", 20_000 + k)
        scene = sample_scene(rng, count=things, held_out=unseen)
        captions.append(scene_caption(scene, rng))
        named.append([thing.name for thing in scene.objects])
    images = generate(pipeline, captions, range(count), steps, guidance)
    seen = look(judge, images)
    return [Drawn(*parts) for parts in zip(captions, named, images, seen, strict=True)]


def generate(
    pipeline: StableDiffusionXLPipeline,
    captions: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    guidance: float,
) -> list[np.ndarray]:
    """One picture [128, 128, 3] uint8 for each caption and seed."""
    made: list[np.ndarray] = []
    for start in track(range(0, len(captions), BATCH), "draws captions", transient=True):
        some = slice(start, start + BATCH)
        pictures = pipeline(
            list(captions[some]),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[some]],
            output_type="np",
        ).images
        made += list((pictures * 255).round().astype(np.uint8))
    return made


def diffusion_figures(one: list[Drawn], two: list[Drawn], unseen: list[Drawn]) -> list[Figure]:
    """Shares of faithful pictures; and, for one thing, which part of the caption is missed."""
    return [
        share(
            "diffusion_one_object",
            "captions with one thing: that thing in its colour and no other",
            [d.faithful for d in one],
            at_least=0.90,
        ),
        share(
            "diffusion_two_objects",
            "captions with two things: both in their colours and no other",
            [d.faithful for d in two],
            at_least=0.75,
        ),
        share(
            "diffusion_unseen",
            "one thing in a colour that training never showed on it",
            [d.faithful for d in unseen],
        ),
        share(
            "diffusion_categories",
            "one and two things: the right categories, whatever the colours",
            [_categories(d.named) == Counter(s.category for s in d.seen) for d in one + two],
        ),
    ]


def _categories(names: list[str]) -> Counter[str]:
    return Counter(name.split()[1] for name in names)


@torch.inference_mode()
def autoencoder_figure(pipeline: StableDiffusionXLPipeline, count: int) -> Figure:
    """Peak signal-to-noise ratio of rendered test scenes that went to latents and back."""
    ratios = []
    for k in range(count):
        image = draw(sample_scene(generator("test", k))).image
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
        restored = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mean).sample
        error = ((restored.clamp(-1, 1) - pixels) / 2).square().mean()
        ratios.append(float(-10 * error.log10()))
    return mean("autoencoder_psnr", "autoencoder: PSNR on rendered scenes, dB", ratios, at_least=30)


def seconds_figure(
    pipeline: StableDiffusionXLPipeline, count: int, steps: int, guidance: float
) -> Figure:
    """Seconds an image, in batches, decoding included."""
    started = time.perf_counter()
    generate(pipeline, ["a red car on the grass"] * count, range(count), steps, guidance)
    seconds = (time.perf_counter() - started) / count
    return plain("diffusion_seconds", f"seconds for an image of {steps} steps", seconds, count)
