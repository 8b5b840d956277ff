"""What `compile: true` of the diffusion binding brings: pairs drawn by prompt-to-prompt, with the
UNet compiled and as it is, in one process and by turns."""

import statistics
import time
from typing import Any

import torch

from full_size_parts.meters import synchronize
from imgdiff.editing.edits import EditSource, edit_to
from imgdiff.editing.prompt_to_prompt import draw_latents
from imgdiff.models.families.sdxl_parts import compile_unet

SOURCES = [
    EditSource(source, seed=seed, edits=(edit_to(source, source.replace("dog", "cat")),))
    for seed, source in enumerate(["a dog on a sofa", "a photo of a dog at the beach"])
]
GUIDANCE, TURNS = 7.5, 3


def compiling(pipeline: Any, side: int, steps: int, **settings: Any) -> dict[str, float]:
    """Figures of two pairs drawn at a time. settings: of `torch.compile`."""
    unet = pipeline.unet
    expected, _ = _drawn(pipeline, side, steps)
    compile_unet(unet, **settings)
    made, first = _drawn(pipeline, side, steps)
    compiled = unet._compiled_call_impl  # where torch's modules keep what compile() made
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(2 * TURNS):
        is_compiled = turn % 2 == 1
        unet._compiled_call_impl = compiled if is_compiled else None
        taken[is_compiled].append(_drawn(pipeline, side, steps)[1])
    plain, quick = (statistics.median(taken[key]) for key in (False, True))
    found = {
        "compile_speedup": plain / quick,
        "compile_warm_up_s": first - quick,
        "compile_difference": float((made - expected).abs().max() / expected.std()),
    }
    if quick < plain:  # else it never pays
        pairs = len(SOURCES) * found["compile_warm_up_s"] / (plain - quick)
        found[f"compile_pays_after_pairs_of_{steps}_steps"] = pairs
    return found


def _drawn(pipeline: Any, side: int, steps: int) -> tuple[torch.Tensor, float]:
    """Latents, and the seconds that they took."""
    began = time.perf_counter()
    latents = torch.cat(draw_latents(pipeline, SOURCES, steps, GUIDANCE, side))
    synchronize(pipeline.device.type)
    return latents.float().cpu(), time.perf_counter() - began
