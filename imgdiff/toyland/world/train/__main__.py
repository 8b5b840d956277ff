"""`python -m imgdiff.toyland.world.train ROLE`: train a model of the toy world, or go on, and put
it in place.

With several processes:
`torchrun --nproc-per-node 2 -m imgdiff.toyland.world.train ROLE --threads 1`.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from imgdiff.toyland.train import together
from imgdiff.toyland.train.loop import save_curve
from imgdiff.toyland.train.save import save_autoencoder
from imgdiff.toyland.world.train import autoencoder

STEPS = {"autoencoder": 1800}  # role -> steps that the weights had


def run(role: str, steps: int, work: Path, weights: Path) -> None:
    """Train `role` for `steps` in `work/role` and save it in `weights/role`, as safetensors with a
    curve."""
    folder = work / role
    chosen: dict[str, tuple[Callable[[], Any], Callable[[Any, Path], None]]] = {
        "autoencoder": (lambda: autoencoder.train(folder, steps), save_autoencoder),
    }
    train, save = chosen[role]
    model = train()
    if together.rank() == 0:
        save(model, weights / role)
        save_curve(folder, weights / role / "curve.png", f"{role}, {steps} steps")


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
    parser.add_argument(
        "--weights", type=Path, default=Path("outputs/weights"), help="where finished models go"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    together.join()
    run(given.role, given.steps or STEPS[given.role], given.work, given.weights)


if __name__ == "__main__":
    main()
