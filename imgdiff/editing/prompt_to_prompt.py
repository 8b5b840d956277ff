"""Prompt-to-prompt on Stable Diffusion XL (Hertz et al. 2022, arXiv 2208.01626).

Sources and their edits are drawn in one batch; the edited rows take over their source's attention
(`imgdiff.editing.attention`). Usable alone, with any SDXL checkpoint of diffusers:

    source = Source("a red car in the street", seed=7, edits=(
        edit_to("a red car in the street", "a red bus in the street"),
    ))
    (images,) = draw(pipeline, [source], steps=50, guidance=7.5)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imgdiff.editing.attention import EditState, edited
from imgdiff.editing.blending import blend, blend_mask
from imgdiff.editing.costs import drawing_bytes
from imgdiff.editing.decoding import decode
from imgdiff.editing.edits import EditSource
from imgdiff.editing.plan import EditPlan
from imgdiff.models.memory import parts_of


def draw_edits(
    pipeline: Any,
    sources: Sequence[EditSource],
    steps: int,
    guidance: float,
    side: int | None = None,
) -> list[np.ndarray]:
    """Draw sources and edits; arguments as those of `draw_latents`.

    Returns:
        For each source [1 + edits, H, W, 3] float32 in [0, 1], itself first. NaN where
        the model itself gave NaN.
    """
    latents = draw_latents(pipeline, sources, steps, guidance, side)
    images = decode(pipeline, torch.cat(latents)).permute(0, 2, 3, 1).numpy()
    ends = np.cumsum([len(some) for some in latents])
    return np.split(images, ends[:-1])


@torch.no_grad()
def draw_latents(
    pipeline: Any,
    sources: Sequence[EditSource],
    steps: int,
    guidance: float,
    side: int | None = None,
) -> list[Tensor]:
    """Latents of sources and edits.

    A source is what the pipeline makes of its caption and seed alone. What shares its batch changes
    nothing, but for rounding.

    Args:
        pipeline: a `StableDiffusionXLPipeline` with any scheduler.
        sources: any number, with any number of edits of any mode.
        steps, guidance: as in the pipeline; at guidance 1 or below there is no unconditional half.
        side: height and width in pixels; None for the model's own.

    Returns:
        For each source [1 + edits, C, h, w], itself first, as the decoder takes them.

    Raises:
        ValueError: before its part is drawn, if a caption is longer than the text encoder reads or
            a span holds no token; after the first blended step, if the UNet has no maps of a
            blend's size.
    """
    side = side or pipeline.default_sample_size * pipeline.vae_scale_factor
    row = drawing_bytes(pipeline, side, side)
    return parts_of(pipeline.unet).run(
        sources,
        [row * (1 + len(source.edits)) for source in sources],
        lambda part: _draw_latents(pipeline, part, steps, guidance, side),
    )


def _draw_latents(
    pipeline: Any, sources: Sequence[EditSource], steps: int, guidance: float, side: int
) -> list[Tensor]:
    size = side // pipeline.vae_scale_factor
    pipeline.scheduler.set_timesteps(steps)  # some take more of them than they are told
    plan = EditPlan(pipeline.tokenizer, sources, len(pipeline.scheduler.timesteps), (size, size))
    # as the pipeline decides it: a guidance-distilled UNet takes the scale as an input instead
    guided = guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
    state = EditState(plan, guided)

    def after_step(_: Any, step: int, __: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        _blend(state, step + 1, tensors["latents"])
        state.begin(step + 1)
        return tensors

    with edited(pipeline.unet, state):
        made = pipeline(
            **encode_unique(pipeline, plan.captions, guided),
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=side,
            width=side,
            # one generator object an image: the same object listed twice would give two noises
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in plan.seeds],
            callback_on_step_end=after_step,
            output_type="latent",
        ).images
    return list(made.split([1 + len(source.edits) for source in sources]))


def encode_unique(pipeline: Any, captions: Sequence[str], guided: bool) -> dict[str, Tensor | None]:
    """The pipeline's text arguments; every caption is encoded once, however often it occurs."""
    unique = list(dict.fromkeys(captions))
    names = (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    )
    encoded = pipeline.encode_prompt(unique, do_classifier_free_guidance=guided)
    places = torch.tensor([unique.index(caption) for caption in captions])
    return {
        name: None if tensor is None else tensor[places]
        for name, tensor in zip(names, encoded, strict=True)
    }


def _blend(state: EditState, done: int, latents: Tensor) -> None:
    """Blend, in place, the edits that want it after `done` steps."""
    for planned in state.plan.edits:
        wish = planned.edit.blend
        if wish is not None and done > int(wish.start * state.plan.steps):
            map_size = state.plan.map_size(planned)
            if planned.row not in state.maps:
                size = f"{map_size[0]} x {map_size[1]}"
                raise ValueError(f"the UNet has no cross-attention maps of {size} to blend by")
            mask = blend_mask(
                state.maps[planned.row], map_size, state.plan.latent_size, wish.threshold
            )
            blend(latents, planned, mask)
