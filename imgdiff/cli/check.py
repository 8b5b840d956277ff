"""`imgdiff check RECIPE ... [key=value ...]`: every problem of recipes, without running."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imgdiff.check import check
from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE, REFUSED, RefusedError
from imgdiff.training.check import check_training, is_training


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("check")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="of data, or of a training")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="a setting of each of these recipes, as for run and train",
    )
    given = parser.parse_args(arguments)
    named = [text for text in given.recipes if "=" not in text or Path(text).is_file()]
    given.overrides = [text for text in given.recipes if text not in named]
    given.recipes = named
    if not named:
        parser.error("expected a RECIPE")
    return given


def call(given: argparse.Namespace) -> int:
    """Report every problem of every recipe."""
    code = COMPLETE
    for path in given.recipes:
        try:
            print("\n  ".join(_checked(path, given.overrides)))
        except RefusedError as problem:
            print(problem, file=sys.stderr)
            code = REFUSED
    return code


def _checked(path: str, overrides: Sequence[str]) -> list[str]:
    """What a recipe without problems is, in words, and what may not be meant."""
    if not is_training(path):
        plan = check(path, overrides)
        return [f"{path}: fine, {len(plan.operators)} operators", *plan.advice]
    trained = check_training(path, overrides)
    facts = [f"trains by {trained.recipe.method}", *map(str, trained.missing)]
    return [f"{path}: fine, {'; '.join(facts)}"]
