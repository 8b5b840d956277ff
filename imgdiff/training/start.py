"""From a training recipe to a trained model."""

import math

from imgdiff.console.progress import logging_to, make_console
from imgdiff.console.signals import stop_on_signals
from imgdiff.errors import COMPLETE, missing_package
from imgdiff.training.check import TrainingPlan
from imgdiff.training.folder import TrainingFolder, is_first, open_training
from imgdiff.training.recipe import TrainingRecipe, method_module


def train(plan: TrainingPlan, restart: bool) -> int:
    """Train as planned; returns the exit code.

    Raises:
        RefusedError: the folder cannot be used, or a package is missing.
        StoppedError: the training ended early; what is done is safe.
    """
    recipe, console = plan.recipe, make_console()
    with (
        stop_on_signals("the step in hand", patience=math.inf) as stop,
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
        method = method_module(recipe.method, "train")
        from transformers import set_seed

        set_seed(recipe.seed)  # the Trainer does so only after new weights were drawn
        method.train(recipe, folder)
    except ModuleNotFoundError as error:  # adapters import peft late
        if error.name is None or error.name.startswith("imgdiff"):
            raise
        raise missing_package(error.name, "train") from None
