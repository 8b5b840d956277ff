"""Scenes redrawn by the embedded diffusion model, for a model that is to read what it makes.

What is generated is smeared, bent and shaded; who learned from crisp drawings alone takes a
generated tent for a boat. So pairs of scenes are drawn, noised half of the way and denoised with
their captions (SDEdit, Meng et al. 2021, arXiv 2108.01073): things stay where they are and what
they are, in the generator's hand.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.conversations import Change, Redrawn, sample_change
from imgdiff.toyland.scenes import draw, generator
from imgdiff.toyland.train import together
from imgdiff.toyland.train.loop import device

PAIRS = 1200
FIRST_SEED = 1_000_000  # of the training split; other trainings see the first ones
BATCH = 8  # pairs
STRENGTHS = (0.4, 0.5, 0.6)  # share of the way to noise
STEPS, GUIDANCE = 14, 3.0


class RedrawnPool:
    """Redrawn pairs: pair `n` shows the change of seed `FIRST_SEED + n`."""

    def __init__(self, pictures: np.ndarray) -> None:
        """pictures: [N, 2, 128, 128, 3] uint8 RGB."""
        self.pictures = pictures

    def pair(self, rng: np.random.Generator) -> Redrawn:
        n = int(rng.integers(len(self.pictures)))
        change = _change(n)
        one, other = (
            replace(draw(scene), image=image)
            for scene, image in zip(change.scenes, self.pictures[n], strict=True)
        )
        return Redrawn(change, (one, other))


def make_redrawn_pool(diffusion: Path, path: Path, pairs: int = PAIRS) -> RedrawnPool:
    """The pool, drawn once by the pipeline in folder `diffusion` and kept in `path` (.npy)."""
    with together.first_alone():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, _redraw(diffusion, range(pairs)))
    return RedrawnPool(np.load(path, mmap_mode="r"))


def _change(number: int) -> Change:
    """One whose scenes both show something."""
    rng = generator("train", FIRST_SEED + number)
    while True:
        change = sample_change(rng)
        if all(scene.objects for scene in change.scenes):
            return change


def _redraw(diffusion: Path, pairs: range) -> np.ndarray:
    """[N, 2, 128, 128, 3] uint8 RGB."""
    pipeline = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        diffusion, dtype=torch.float32, add_watermarker=False
    ).to(device())
    pipeline.set_progress_bar_config(disable=True)
    made = []
    for start in range(pairs.start, pairs.stop, BATCH):
        numbers = [n for n in pairs[start - pairs.start :][:BATCH] for _ in range(2)]
        scenes = [scene for n in numbers[::2] for scene in _change(n).scenes]
        pictures = pipeline(
            [
                scene_caption(scene, np.random.default_rng(n))
                for scene, n in zip(scenes, numbers, strict=True)
            ],
            image=np.stack([draw(scene).image for scene in scenes]).astype(np.float32) / 255,
            strength=STRENGTHS[start // BATCH % len(STRENGTHS)],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            # as in prompt-to-prompt, both of a pair start from one noise
            generator=[torch.Generator().manual_seed(n) for n in numbers],
            output_type="np",
        ).images
        made.append((pictures * 255).round().astype(np.uint8))
    drawn = np.concatenate(made)
    return drawn.reshape(len(pairs), 2, *drawn.shape[1:])
