"""The check of a training recipe: every problem in one report, before a model library is
imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.recipe.source import (
    Key,
    Problem,
    RecipeError,
    Source,
    did_you_mean,
    find_recipe,
    parse_recipe,
    set_value,
    split_overrides,
)
from imgdiff.recipe.validation import validated
from imgdiff.training.recipe import METHODS, TrainingRecipe, method_module


@dataclass(frozen=True)
class TrainingPlan:
    path: Path
    recipe: TrainingRecipe
    missing: Sequence[Problem]  # data that has to be made before
    lines: Mapping[Key, int]  # of the settings, for messages


def check_training(
    path: str | Path, overrides: Sequence[str] = (), trust: Trust = NOTHING_MORE
) -> TrainingPlan:
    """The plan of a training recipe without a problem.

    Raises:
        RefusedError: there is no such recipe.
        RecipeError: every problem that can be told without loading a model.
    """
    source = parse_recipe(find_recipe(path))
    for parts, value in split_overrides(source, overrides):
        set_value(source, tuple(parts), value)
    recipe = _recipe(source)
    if recipe is not None:
        try:
            if problem := trust.problem(recipe.checkpoint()):
                source.add(("model",), problem)
        except ValueError as error:
            source.add(("model",), str(error))
    if source.problems or recipe is None:
        raise RecipeError(source.path, source.problems)
    missing = Source(source.path, lines=source.lines)
    for key, text in recipe.missing():
        missing.add(key, text)
    return TrainingPlan(source.path, recipe, missing.problems, source.lines)


def _recipe(source: Source) -> TrainingRecipe | None:
    method = source.data.get("method")
    if method is None and "process" in source.data:
        source.add((), f"this recipe makes data: imgdiff run {source.path}")
        return None
    if not isinstance(method, str) or method not in METHODS:
        text = f"expected one of {', '.join(METHODS)}.{did_you_mean(str(method), METHODS)}"
        source.add(("method",), f"{method}: {text}" if method is not None else text)
        return None
    schema: type[TrainingRecipe] = getattr(method_module(method, "recipe"), METHODS[method])
    return validated(source, schema, source.data, ())
