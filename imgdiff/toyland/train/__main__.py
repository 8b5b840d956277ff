"""`python -m imgdiff.toyland.train ROLE`: train one embedded model, or go on with it, and put it in
place."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import torch

from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland.train import autoencoder, clip, diffusion, matcher, mllm, segmenter
from imgdiff.toyland.train.loop import save_curve
from imgdiff.toyland.train.save import (
    save_autoencoder,
    save_clip,
    save_diffusion,
    save_matcher,
    save_mllm,
    save_segmenter,
)

# role -> steps that the shipped weights had
STEPS = {
    "segmenter": 2200,
    "matcher": 2000,
    "clip": 1600,
    "mllm": 1700,
    "autoencoder": 3250,
    "diffusion": 5200,
}


def run(role: str, steps: int, work: Path, weights: Path) -> None:
    """Train `role` for `steps` in `work/role` and save it for use (fp16 safetensors, card, curve).

    The autoencoder is part of the diffusion pipeline; it stays in the work folder until that is
    saved.
    """
    folder = work / role
    trained: dict[str, Callable[[], None]] = {
        "autoencoder": lambda: save_autoencoder(autoencoder.train(folder, steps), folder / "vae"),
        "diffusion": lambda: save_diffusion(
            diffusion.train(folder, steps, work / "autoencoder" / "vae", weights / "clip"),
            weights / role,
        ),
        "clip": lambda: save_clip(clip.train(folder, steps), weights / role),
        "matcher": lambda: save_matcher(matcher.train(folder, steps), weights / role),
        "segmenter": lambda: save_segmenter(segmenter.train(folder, steps), weights / role),
        "mllm": lambda: save_mllm(mllm.train(folder, steps, weights / "clip"), weights / role),
    }
    trained[role]()
    place = folder if role == "autoencoder" else weights / role
    save_curve(folder, place / "curve.png", f"{role}, {steps} steps")


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
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    run(given.role, given.steps or STEPS[given.role], given.work, given.weights)


if __name__ == "__main__":
    main()
