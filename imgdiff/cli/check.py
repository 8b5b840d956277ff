"""`imgdiff check RECIPE ... [key=value ...]`: every problem of recipes, without running."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgdiff.cli import add_trust, trust_of, verb_parser
from imgdiff.data.hub import HubUnreachableError
from imgdiff.errors import COMPLETE, REFUSED, RefusedError
from imgdiff.models.kinds import family_of, requirements
from imgdiff.models.revisions import at_commit, in_role
from imgdiff.models.trust import Trust
from imgdiff.models.zoo import Binding, Endpoint
from imgdiff.recipe.check import TrainsError, check
from imgdiff.recipe.plan import Plan
from imgdiff.recipe.source import Key, RecipeError, Source

if TYPE_CHECKING:
    from imgdiff.training.check import TrainingPlan


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("check")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="of data, or of a training")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="a setting of each of these recipes, as for run and train",
    )
    add_trust(parser)
    given = parser.parse_args(arguments)
    named = [text for text in given.recipes if not _is_override(text) or Path(text).is_file()]
    given.overrides = [text for text in given.recipes if text not in named]
    given.recipes = named
    if not named:
        parser.error("expected a RECIPE")
    return given


def _is_override(text: str) -> bool:
    return "=" in text or text.startswith("@")


def call(given: argparse.Namespace) -> int:
    """Report every problem of every recipe."""
    code = COMPLETE
    for path in given.recipes:
        try:
            print("\n  ".join(_checked(path, given.overrides, trust_of(given))))
        except RefusedError as problem:
            print(problem, file=sys.stderr)
            code = REFUSED
    return code


def _checked(path: str, overrides: Sequence[str], trust: Trust) -> list[str]:
    """What a recipe without problems is, in words, and what may not be meant."""
    try:
        plan = check(path, overrides, trust)
    except TrainsError:
        return [_checked_training(path, overrides, trust)]
    bound: dict[Key, Binding] = {("models", role): each for role, each in plan.models.items()}
    notes, found = _looked_up(plan, bound, plan.asked)
    plan = replace(plan, models={str(key[1]): model for key, model in found.items()})
    facts = [f"{len(plan.operators)} operators", *notes]
    return [f"{path}: fine, {'; '.join(facts)}", *plan.advice]


def _checked_training(path: str, overrides: Sequence[str], trust: Trust) -> str:
    from imgdiff.training.check import check_training

    plan = check_training(path, overrides, trust)
    facts = [f"trains by {plan.recipe.method}", *map(str, plan.missing)]
    facts += _looked_up(plan, {("model",): plan.recipe.checkpoint()}, {})[0]
    return f"{path}: fine, {'; '.join(facts)}"


def _looked_up(
    plan: "Plan | TrainingPlan",
    models: Mapping[Key, Binding],
    asked: Mapping[str, Mapping[str, str]],
) -> tuple[list[str], dict[Key, Binding]]:
    """Ask the Hub for the models of a recipe; gives what is to be said of them or where it does not
    answer, and the models at the commits that it names.

    Raises:
        RecipeError: the Hub does not have one of them, or no safetensors of it.
    """
    source, found = Source(plan.path, lines=dict(plan.lines)), dict(models)
    notes: list[str] = []
    for key, binding in models.items():
        try:
            found[key] = at_commit(binding)
            if key[0] == "models":
                role = str(key[1])
                in_role(role, found[key], asked.get(role, {}))
                notes += _needed(role, found[key])
        except HubUnreachableError:
            notes.append("its models were not looked up: the Hub cannot be reached")
            return notes, found
        except RefusedError as refusal:
            source.add(key, str(refusal))
    if source.problems:
        raise RecipeError(source.path, source.problems)
    return notes, found


def _needed(role: str, binding: Binding) -> list[str]:
    if isinstance(binding, Endpoint) or binding.is_embedded:
        return []
    needs = requirements(family_of(role, binding), binding)
    return [f"{role} needs {needs}"] if needs else []
