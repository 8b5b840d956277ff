"""Limits, and the models whose scores they were set for: cosines of one family lie elsewhere than
those of another."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imgdiff.models.families import Family, families_of, family_named
from imgdiff.models.kinds import family_on_disk
from imgdiff.models.zoo import NAMED_SETS, Checkpoint
from imgdiff.operator import Operator
from imgdiff.recipe.source import COMMAND_LINE, Source

if TYPE_CHECKING:
    from imgdiff.recipe.plan import Plan

PAPER = {"clip": "clip", "matcher": "blip"}  # families that default limits of operators are for
OPEN = 1.0  # as the lowest or highest cosine: refuses nothing


def set_for(written: Any) -> dict[str, str]:
    """Role -> the named set or family that a recipe's limits are for, where it does not say so: the
    set that its text binds, else the paper's family.

    written: `models` as the text has it, without what the command line changes.
    """
    named = {role: written.get(role) if isinstance(written, dict) else written for role in PAPER}
    return {
        role: name if isinstance(name, str) and name in NAMED_SETS else PAPER[role]
        for role, name in named.items()
    }


def settings_of(models: Mapping[str, str]) -> dict[str, str]:
    """The settings by which a recipe says that its limits are for these models.

    models: role -> the name of its model.
    """
    return {
        f"limits_for.{role}": next(
            (name for name, known in _names_in_sets(role).items() if known == models[role]),
            models[role],
        )
        for role in PAPER
        if role in models
    }


def refuse_unknown(source: Source, limits_for: Mapping[str, str]) -> None:
    """Note the roles that have no such limits, and what is neither a set, a family nor a model."""
    for role, name in limits_for.items():
        known = [*NAMED_SETS, *(family.name for family in families_of(role))]
        if role not in PAPER:
            source.add(("limits_for", role), f"no such role; limits are for {', '.join(PAPER)}")
        elif name not in known and "/" not in name:
            text = f"{name} is no name of a model (owner/name, or a folder) and none of"
            source.add(("limits_for", role), f"{text} {', '.join(known)}")


def limits_of_others(plan: "Plan") -> tuple[str, ...]:
    """A line for each role whose model is another one than its limits were set for; none for a
    model of the Hub of which nothing is on this disk yet."""
    noted = Source(plan.path, lines=dict(plan.lines))
    for role, wanted in plan.recipe.limits_for.items():
        model = plan.models.get(role)
        if not isinstance(model, Checkpoint):
            continue
        family = family_on_disk(role, model)
        limits = [each for op in plan.operators if role in op.roles for each in _limits(plan, op)]
        if limits and not _is_for(wanted, role, model, family):
            own = family.name if family else model.name
            text = f"{model.name}, but these limits were set for {wanted}: {', '.join(limits)}."
            text = f"{text} Set them for this model (imgdiff calibrate) and say"
            noted.add(("models", role), f"{text} limits_for: {{{role}: {own}}}")
    return tuple(map(str, noted.problems))


def _is_for(wanted: str, role: str, model: Checkpoint, family: Family | None) -> bool:
    names = _names_in_sets(role)
    if wanted in names:
        return model.name == names[wanted]
    if family_named(role, wanted) is None:
        return model.name == wanted
    return family is None or (family.name == wanted and model.name not in names.values())


def _names_in_sets(role: str) -> dict[str, str]:
    """Named set -> the name of its model."""
    return {name: models[role].name for name, models in NAMED_SETS.items() if role in models}


def _limits(plan: "Plan", operator: Operator) -> Iterator[str]:
    """The settings of an operator that are on the scale of its model's scores, with their places,
    but for those that refuse nothing and those that the command line gives."""
    for setting in operator.scaled:
        value = getattr(operator.params, setting)
        line = plan.lines.get((*plan.places[operator.name], setting))
        if value is not None and abs(value) != OPEN and line != COMMAND_LINE:
            place = "default" if line is None else f"line {line}"
            yield f"{operator.name}.{setting} ({place})"
