"""Inpainting on Stable Diffusion XL: what is inside a mask is drawn anew.

Usable alone, with any SDXL checkpoint of diffusers:

    hole = Hole(image, dilated(mask, 0.03), seed=7, prompt="background, nothing")
    (painted,) = inpaint(pipeline, [hole], steps=50, guidance=7.5, strength=0.85)
    erased = composed(hole, painted)

An inpainting UNet (9 channels) sees the masked picture; a plain one (4 channels) is put back to the
picture, with as much noise as the step has, outside the mask after every step.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import StableDiffusionXLInpaintPipeline

from imgdiff.editing.costs import drawing_bytes
from imgdiff.editing.decoding import decode, encode
from imgdiff.editing.holes import Hole
from imgdiff.models.memory import parts_of

UNIT = 8  # pixels; diffusers draws sides that are multiples of it
SHOWN_CHANNELS = 9  # of a UNet that is shown the masked picture, and the mask
COMPONENTS = (
    "vae",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "unet",
    "scheduler",
)


def inpaint(
    pipeline: Any,
    holes: Sequence[Hole],
    steps: int,
    guidance: float,
    strength: float,
    side: int | None = None,
) -> list[np.ndarray]:
    """Draw what is inside the masks; what shares a batch changes nothing, but for rounding.

    Args:
        pipeline: a `StableDiffusionXLPipeline` with any scheduler; no weights are copied.
        holes: any number, of any sizes; those of one size are drawn together.
        steps, guidance: as in the pipeline.
        strength: share of the steps that are run, in (0, 1]. The fewer, the less noise they begin
            with, and the more of what stood there shines through.
        side: longer side of the pictures while they are worked on, in pixels; None for the model's
            own.

    Returns:
        For each hole [H, W, 3] float32 in [0, 1], of its image's size, all of it as it comes from
        the autoencoder: `imgdiff.editing.holes.composed` puts back what is outside the mask. NaN
        where the model gave NaN.

    Raises:
        ValueError: of the pipeline, if no step is left to be run.
    """
    side = side or pipeline.default_sample_size * pipeline.vae_scale_factor
    batches: dict[tuple[tuple[int, int], bool], list[int]] = {}
    for place, hole in enumerate(holes):
        kind = _working_size(hole.mask.shape, side), hole.negative_prompt is None
        batches.setdefault(kind, []).append(place)
    painted = [np.empty(0)] * len(holes)
    for (size, _), places in batches.items():
        cost = drawing_bytes(pipeline, *size)
        made = parts_of(pipeline.unet).run(
            [holes[place] for place in places],
            [cost] * len(places),
            partial(_inpaint, pipeline, size, steps, guidance, strength),
        )
        for place, picture in zip(places, made, strict=True):
            painted[place] = _resized(picture, holes[place].mask.shape)
    return painted


@torch.no_grad()
def _inpaint(
    pipeline: Any,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    strength: float,
    holes: Sequence[Hole],
) -> list[np.ndarray]:
    """Of each hole [h, w, 3] float32 in [0, 1]. size: height and width; either all holes have a
    negative prompt or none."""
    negative = [hole.negative_prompt for hole in holes]
    pictures = np.stack([_resized(hole.image, size) for hole in holes])  # [N, h, w, 3] uint8
    masks = np.stack([_whole_cells(hole.mask, size, pipeline.vae_scale_factor) for hole in holes])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    mask = torch.from_numpy(masks)[:, None].float()
    shown = pipeline.unet.config.in_channels == SHOWN_CHANNELS
    latents = _inpainter(pipeline)(
        prompt=[hole.prompt for hole in holes],
        negative_prompt=None if None in negative else negative,
        image=encode(pipeline, images),
        mask_image=mask,
        masked_image_latents=encode(pipeline, images.where(mask == 0, 0.5)) if shown else None,
        height=size[0],
        width=size[1],
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        # one generator object an image: the same object listed twice would give two noises
        generator=[torch.Generator("cpu").manual_seed(hole.seed) for hole in holes],
        output_type="latent",
    ).images
    return list(decode(pipeline, latents).permute(0, 2, 3, 1).numpy())


def _inpainter(pipeline: Any) -> Any:
    """An inpainting pipeline on the very modules of another one; `from_pipe` would turn them to
    float32."""
    inpainter = StableDiffusionXLInpaintPipeline(
        **{name: getattr(pipeline, name) for name in COMPONENTS},
        force_zeros_for_empty_prompt=pipeline.config.force_zeros_for_empty_prompt,
        add_watermarker=False,
    )
    inpainter.set_progress_bar_config(disable=True)
    return inpainter


def _working_size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width that the model draws: the longer one is `side`, both multiples of UNIT."""
    scale = side / max(shape)
    high, wide = (max(UNIT, round(edge * scale / UNIT) * UNIT) for edge in shape)
    return high, wide


def _resized(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """[H, W, 3] in another height and width; itself if it has them."""
    if picture.shape[:2] == tuple(size):
        return picture
    shrinks = picture.shape[0] > size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (size[1], size[0]), interpolation=how)


def _whole_cells(mask: np.ndarray, size: tuple[int, int], cell: int) -> np.ndarray:
    """[h, w] bool: every latent cell that the mask touches. Diffusers reads no more of a cell than
    its first pixel, and would leave the rest of what is to go."""
    high, wide = size
    touched = cv2.resize(mask.astype(np.float32), (wide, high), interpolation=cv2.INTER_AREA) > 0
    cells = touched.reshape(high // cell, cell, wide // cell, cell).any((1, 3))
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)
