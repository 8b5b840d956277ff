"""`imgdiff train RECIPE [key=value ...]`: from a training recipe to a trained model."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from imgdiff.errors import RefusedError, StoppedError, missing_package
from imgdiff.progress import logging_to, make_console
from imgdiff.recipe import RecipeError
from imgdiff.run import COMPLETE, REFUSED, STOPPED
from imgdiff.signals import stop_on_signals
from imgdiff.training.check import TrainingPlan, check_training
from imgdiff.training.folder import TrainingFolder, is_first, open_training
from imgdiff.training.recipe import METHODS, TrainingRecipe


def main(arguments: Sequence[str]) -> int:
    """Train; returns the exit code. Parsed apart: options may stand between overrides."""
    parser = argparse.ArgumentParser(
        prog="imgdiff train", description="Train a model, or go on where a training stopped."
    )
    parser.add_argument("recipe", help="a YAML file, for example recipes/train/finetune.yaml")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="a setting of the recipe: trainer.max_steps=100",
    )
    parser.add_argument(
        "--restart", action="store_true", help="delete what the folder holds and begin again"
    )
    given = parser.parse_intermixed_args(arguments)
    try:
        plan = check_training(given.recipe, given.overrides)
        if plan.missing:
            raise RecipeError(plan.path, plan.missing)
        return train(plan, given.restart)
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except StoppedError as reason:
        print(f"stopped: {reason}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("stopped at once. Train again to go on from the last checkpoint.", file=sys.stderr)
        return STOPPED


def train(plan: TrainingPlan, restart: bool) -> int:
    """Train as planned; returns the exit code.

    Raises:
        RefusedError: the folder cannot be used, or a package is missing.
        StoppedError: the training ended early; what is done is safe.
    """
    recipe, console = plan.recipe, make_console()
    with (
        stop_on_signals("the step in hand") as stop,
        open_training(recipe, restart, stop) as folder,
        logging_to(folder.path / "train.log", console),
    ):
        if not folder.finished:
            _train(recipe, folder)
    if is_first():
        for name, value in folder.record["figures"].items():
            console.print(f"{name}: {value}", soft_wrap=True)
        console.print(f"{folder.model}", soft_wrap=True)
    return COMPLETE


def _train(recipe: TrainingRecipe, folder: TrainingFolder) -> None:
    """By the recipe's method, whose trainer is imported here: model libraries take seconds."""
    try:
        method = importlib.import_module(f"{METHODS[recipe.method]}.train")
        from transformers import set_seed

        set_seed(recipe.seed)  # the Trainer does so only after new weights were drawn
        method.train(recipe, folder)
    except ModuleNotFoundError as error:  # adapters import peft late
        if error.name is None or error.name.startswith("imgdiff"):
            raise
        raise missing_package(error, "train") from None
