"""The whole recipe on a CPU in minutes, before anybody pays for a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imgdiff.data.input import Input
from imgdiff.data.readers import pinned_input
from imgdiff.engine.survey import survey
from imgdiff.errors import RefusedError
from imgdiff.models.revisions import pinned
from imgdiff.models.zoo import Binding, Checkpoint
from imgdiff.recipe.plan import Phase, Plan
from imgdiff.rehearsal.lenient import lenient
from imgdiff.rehearsal.miniatures import make

ROWS = 2


@dataclass(frozen=True)
class Rehearsal:
    """A plan on miniatures, and its input."""

    plan: Plan
    source: Input


def prepare(plan: Plan, folder: Path) -> Rehearsal:
    """The recipe on miniatures of its models, with open limits, for its first rows.

    Args:
        plan: the checked recipe.
        folder: where the miniatures and the run's folder go.

    Raises:
        RefusedError: a model or the input cannot be had, or no miniature can be made of a model; a
            line for each.
    """
    dataset = pinned_input(plan.dataset, None)
    source = Input(dataset)
    source.refuse_without(plan.needed)
    models = _miniatures(pinned(plan.models, {}, plan.asked), folder / "models")
    recipe = plan.recipe.model_copy(
        update={
            "executor_type": "local",
            "export_path": str(folder / "run"),
            "limit": min(ROWS, plan.recipe.limit or ROWS),
            "shard_rows": ROWS,
            "models": {role: model.model_dump(mode="json") for role, model in models.items()},
            "export": plan.recipe.export.model_copy(update={"hub_repo": None}),
        }
    )
    rehearsed = replace(plan, recipe=recipe, dataset=dataset, models=models)
    survey(rehearsed, source)
    phases = tuple(
        Phase(phase.name, tuple(map(lenient, phase.operators))) for phase in rehearsed.phases
    )
    return Rehearsal(replace(rehearsed, phases=phases), source)


def _miniatures(models: Mapping[str, Binding], folder: Path) -> dict[str, Binding]:
    """Servers stay: they are asked about the rows of the rehearsal."""
    made: dict[str, Binding] = {}
    problems = []
    for role, binding in models.items():
        if not isinstance(binding, Checkpoint) or binding.is_embedded:
            made[role] = binding
            continue
        try:
            made[role] = make(binding, folder / role)
        except RefusedError as refusal:
            problems.append(f"models.{role}: {refusal}")
    if problems:
        raise RefusedError("\n".join(problems))
    return made


def refused_by(plan: Plan) -> dict[str, int]:
    """`operator: code` -> rows that a rule would have ended."""
    found: dict[str, int] = {}
    for operator in plan.operators:
        found |= getattr(operator, "refused", {})
    return found
