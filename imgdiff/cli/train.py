"""`imgdiff train RECIPE [key=value ...]`: from a training recipe to a trained model."""

import argparse
import sys
from collections.abc import Sequence

from imgdiff.cli import add_recipe, add_trust, trust_of, verb_parser
from imgdiff.errors import STOPPED
from imgdiff.recipe.source import RecipeError
from imgdiff.training.check import check_training
from imgdiff.training.start import train


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("train")
    settings = "trainer.max_steps=100 or data.0.run=outputs/replace"
    add_recipe(parser, "recipes/train/finetune.yaml", settings)
    parser.add_argument(
        "--restart", action="store_true", help="delete what the folder holds and begin again"
    )
    add_trust(parser, keys=False, files=False)
    return parser.parse_intermixed_args(arguments)  # options may stand between overrides


def call(given: argparse.Namespace) -> int:
    plan = check_training(given.recipe, given.overrides, trust_of(given))
    if plan.missing:
        raise RecipeError(plan.path, plan.missing)
    try:
        return train(plan, given.restart)
    except KeyboardInterrupt:
        print("stopped at once. Train again to go on from the last checkpoint.", file=sys.stderr)
        return STOPPED
