"""`python -m imgdiff.toyland.train ROLE`: train an embedded model, or go on, and put it in place.

With several processes: `torchrun --nproc-per-node 2 -m imgdiff.toyland.train ROLE --threads 1`.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland.train import (
    autoencoder,
    clip,
    decoder,
    diffusion,
    judge,
    matcher,
    mllm,
    segmenter,
    together,
)
from imgdiff.toyland.train.loop import draw_curve
from imgdiff.toyland.train.save import (
    save_autoencoder,
    save_card,
    save_clip,
    save_diffusion,
    save_judge,
    save_matcher,
    save_mllm,
    save_segmenter,
)

# role -> steps that the shipped weights had (the single MLLM: what its benchmark needs)
STEPS = {
    "judge": 1400,
    "segmenter": 2200,
    "matcher": 2000,
    "clip": 3000,
    "mllm_clean": 9300,
    "mllm": 300,
    "mllm_single": 1700,
    "autoencoder": 3250,
    "decoder": 900,
    "diffusion": 14000,
}


def train_role(role: str, steps: int, work: Path, weights: Path, compiled: bool = False) -> None:
    """Train `role` for `steps` in `work/role` and save it for use, as safetensors with a curve.

    What is not shipped by itself stays in the work folder: the autoencoder and its decoder, which
    become part of the diffusion pipeline, and the clean and the single MLLM. `compiled` is for
    diffusion, where torch.compile pays.
    """
    folder, tower, painter = work / role, weights / "clip", weights / "diffusion"
    first, vae = work / "autoencoder" / "vae", work / "decoder" / "vae"
    clean, single = work / "mllm_clean" / "model", work / "mllm_single" / "model"
    chosen: dict[str, tuple[Callable[[], Any], Callable[[Any, Path], None], Path]] = {
        "judge": (lambda: judge.train(folder, steps), save_judge, weights / role),
        "segmenter": (lambda: segmenter.train(folder, steps), save_segmenter, weights / role),
        "matcher": (lambda: matcher.train(folder, steps), save_matcher, weights / role),
        "clip": (lambda: clip.train(folder, steps), save_clip, weights / role),
        "mllm_clean": (lambda: mllm.train_clean(folder, steps, tower), save_mllm, clean),
        "mllm": (lambda: mllm.train(folder, steps, clean, painter), save_mllm, weights / role),
        "mllm_single": (lambda: mllm.train_single(folder, steps, tower), save_mllm, single),
        "autoencoder": (lambda: autoencoder.train(folder, steps), save_autoencoder, first),
        "decoder": (lambda: decoder.train(folder, steps, first), save_autoencoder, vae),
        "diffusion": (
            lambda: diffusion.train(folder, steps, vae, tower, compiled=compiled),
            save_diffusion,
            weights / role,
        ),
    }
    train, save, place = chosen[role]
    model = train()
    if together.rank() == 0:
        save(model, place)
        draw_curve(folder, place / "curve.png", f"{role}, {steps} steps")
        save_card(role, folder, place)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m imgdiff.toyland.train", description=__doc__)
    parser.add_argument("role", choices=list(STEPS))
    parser.add_argument(
        "--steps", type=int, help="in all; a finished training goes on if this is raised"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("outputs/training"), help="checkpoints and curves"
    )
    parser.add_argument(
        "--weights", type=Path, default=EMBEDDED_WEIGHTS, help="where finished models go"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--compile",
        action="store_true",
        help="diffusion: torch.compile the UNet, which takes two minutes and a C++ compiler, "
        "then makes steps a third shorter",
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    together.join_processes()
    train_role(
        given.role, given.steps or STEPS[given.role], given.work, given.weights, given.compile
    )


if __name__ == "__main__":
    main()
