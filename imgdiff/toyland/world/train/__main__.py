"""`python -m imgdiff.toyland.world.train ROLE`: train a model of the toy world, or go on, and put
it in place.

A training that was packed (`--pack`) goes on from there on another machine.

With several processes:
`torchrun --nproc-per-node 2 -m imgdiff.toyland.world.train ROLE --threads 1`.
"""

import argparse
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import BlipForImageTextRetrieval, CLIPModel, LlavaForConditionalGeneration

from imgdiff.models.kinds import OWN
from imgdiff.toyland.train import together
from imgdiff.toyland.train.loop import draw_curve, pack
from imgdiff.toyland.train.save import (
    save_autoencoder,
    save_diffusion,
    save_judge,
    save_segmenter,
)
from imgdiff.toyland.world.train import (
    autoencoder,
    clip,
    decoder,
    diffusion,
    few_steps,
    judge,
    matcher,
    mllm,
    segmenter,
)

PACKED = Path("benchmarks/weights/world")  # trainings under way, and models of the world
# role -> steps that the weights had
STEPS = {
    "judge": 2000,
    "autoencoder": 4500,
    "decoder": 3000,
    "segmenter": 3000,
    "matcher": 3000,
    "clip": 5000,
    "mllm": 10000,
    "diffusion": 24000,
    "few_steps": 4000,
}


def save_clip(model: CLIPModel, folder: Path) -> None:
    model.half().save_pretrained(folder)
    clip.processor().save_pretrained(folder)


def save_matcher(model: BlipForImageTextRetrieval, folder: Path) -> None:
    model.half().save_pretrained(folder)
    matcher.processor().save_pretrained(folder)


def save_mllm(model: LlavaForConditionalGeneration, folder: Path) -> None:
    model.config.update({OWN: "toyland"})
    model.half().save_pretrained(folder)
    mllm.processor().save_pretrained(folder)


def train_role(role: str, steps: int, work: Path, weights: Path, compiled: bool = False) -> None:
    """Train `role` for `steps` in `work/role` and save it in `weights/role`, as safetensors with a
    curve. `compiled` is for diffusion, where torch.compile pays."""
    folder = work / role
    chosen: dict[str, tuple[Callable[[], Any], Callable[[Any, Path], None]]] = {
        "autoencoder": (lambda: autoencoder.train(folder, steps), save_autoencoder),
        "decoder": (
            lambda: decoder.train(folder, steps, weights / "autoencoder"),
            save_autoencoder,
        ),
        "diffusion": (
            lambda: diffusion.train(folder, steps, weights / "autoencoder", compiled=compiled),
            save_diffusion,
        ),
        "few_steps": (
            lambda: few_steps.train(
                folder, steps, weights / "diffusion", work / "diffusion" / "pool"
            ),
            save_diffusion,
        ),
        "judge": (lambda: judge.train(folder, steps), save_judge),
        "segmenter": (lambda: segmenter.train(folder, steps), save_segmenter),
        "mllm": (lambda: mllm.train(folder, steps, weights / "clip"), save_mllm),
        "matcher": (lambda: matcher.train(folder, steps), save_matcher),
        "clip": (lambda: clip.train(folder, steps), save_clip),
    }
    train, save = chosen[role]
    model = train()
    if together.rank() == 0:
        save(model, weights / role)
        draw_curve(folder, weights / role / "curve.png", f"{role}, {steps} steps")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m imgdiff.toyland.world.train", description=__doc__
    )
    parser.add_argument("role", choices=list(STEPS))
    parser.add_argument(
        "--steps", type=int, help="in all; a finished training goes on if this is raised"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("outputs/training"), help="checkpoints and curves"
    )
    parser.add_argument("--weights", type=Path, default=PACKED, help="where finished models go")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--compile",
        action="store_true",
        help="diffusion: torch.compile the UNet, which takes minutes and a C++ compiler, then "
        "makes steps a third shorter",
    )
    parser.add_argument(
        "--pack", action="store_true", help=f"train nothing; put the training's state into {PACKED}"
    )
    given = parser.parse_args()
    folder, packed = given.work / given.role, PACKED / "training" / given.role
    if given.pack:
        pack(folder, packed)
        return
    if packed.exists() and not folder.exists():
        shutil.copytree(packed, folder)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    together.join_processes()
    steps = given.steps or STEPS[given.role]
    train_role(given.role, steps, given.work, given.weights, given.compile)


if __name__ == "__main__":
    main()
