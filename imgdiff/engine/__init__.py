"""Engines run a plan, phases over shards. What they share: the plan and the tallies."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgdiff.data.fields import Field, in_order
from imgdiff.data.input import Demand
from imgdiff.data.rows import Row
from imgdiff.operator import Filter, Operator, RegionFilter, Selector
from imgdiff.recipe.schema import Recipe
from imgdiff.recipe.source import Key

if TYPE_CHECKING:
    from imgdiff.data.readers.base import Address
    from imgdiff.models.zoo import Binding

FIRST_STAGE = "extra"  # of operators that name none, when no phase goes before


@dataclass(frozen=True)
class Phase:
    """Operators that are run together over a shard, with their models in memory at one time."""

    name: str
    operators: tuple[Operator, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r for op in self.operators for r in op.roles))

    @property
    def selects(self) -> bool:
        """Whether it decides across the whole run, and not shard by shard (see `Selector`)."""
        return all(isinstance(operator, Selector) for operator in self.operators)

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that its files hold: those that its operators write."""
        written = {column for operator in self.operators for column in written_columns(operator)}
        return tuple(in_order(written))


@dataclass(frozen=True)
class Plan:
    """A checked recipe, ready to run.

    recipe: as resolved, `process` with every operator and every setting.
    models: role -> checkpoint, for the roles that the operators need.
    needed, made: fields, see `imgdiff.data.input.Demand`.
    advice: what can be run, but may not be meant. lines: of the settings, for messages.
    """

    path: Path
    recipe: Recipe
    dataset: "Address"
    phases: tuple[Phase, ...]
    models: dict[str, "Binding"]
    needed: frozenset[str]
    made: frozenset[str]
    advice: tuple[str, ...] = ()
    lines: Mapping[Key, int] = field(default_factory=dict)

    @property
    def demand(self) -> Demand:
        """What is wanted from the input."""
        recipe = self.recipe
        fit = recipe.resize == "fit"
        return Demand(recipe.seed, recipe.limits.max_pixels, self.needed, self.made, fit)

    @property
    def operators(self) -> list[Operator]:
        return [operator for phase in self.phases for operator in phase.operators]

    @property
    def own_fields(self) -> list[Field]:
        """The fields that its operators declare, each once, by name."""
        declared = {field.name: field for op in self.operators for field in op.fields}
        return [declared[name] for name in sorted(declared)]


def withhold(operators: Sequence[Operator], rows: Iterable[Row]) -> None:
    """Take from rows what must not be stored: the fields that a filter screens, unless it let the
    row pass. `operators` are those of the phase that has just run."""
    for number, operator in enumerate(operators):
        screened = operator.screens if isinstance(operator, Filter) else ()
        passed = {later.name for later in operators[number + 1 :]}  # who may have ended it then
        for row in rows:
            if not row.ok and row.reason.partition(":")[0] not in passed:
                for name in screened:
                    row.values.pop(name, None)


def phases_of(operators: Iterable[Operator]) -> tuple[Phase, ...]:
    """Consecutive operators of one stage, as phases named by it; an operator that names no stage
    joins the one before it. Selectors are never together with others."""
    groups: list[tuple[str, bool, list[Operator]]] = []
    for operator in operators:
        stage = operator.stage or (groups[-1][0] if groups else FIRST_STAGE)
        selects = isinstance(operator, Selector)
        if not groups or groups[-1][:2] != (stage, selects):
            groups.append((stage, selects, []))
        groups[-1][2].append(operator)
    return tuple(Phase(stage, tuple(members)) for stage, _, members in groups)


def written_columns(operator: Operator) -> set[str]:
    """The fields of a row that an operator changes; its regions count as one field."""
    columns = {name.partition(".")[0] for name in operator.writes}
    if isinstance(operator, RegionFilter) or operator.region_scores:
        columns.add("regions")
    return columns


@dataclass
class Tally:
    """What one operator did: to the rows of a shard, or, added up, to all rows.

    Regions in are those still ok in rows still ok; regions kept likewise, after the operator.
    scores: name -> [lowest, highest] of what it scored.
    """

    name: str
    rows_in: int = 0
    rows_ok: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    regions_in: int = 0
    regions_kept: int = 0
    regions_refused: Counter[str] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the tally of a shard, as its manifest holds it."""
        for key in ("rows_in", "rows_ok", "regions_in", "regions_kept", "seconds"):
            setattr(self, key, getattr(self, key) + values[key])
        for key in ("rejected", "failed", "regions_refused"):
            getattr(self, key).update(values[key])
        for name, span in values["scores"].items():
            self.widen(name, span)

    def widen(self, name: str, values: Sequence[float]) -> None:
        """Take scores into account for the span of `name`."""
        if values:
            both = [*self.scores.get(name, ()), *map(float, values)]
            self.scores[name] = [min(both), max(both)]
