"""A checked recipe, ready to run: operators in phases, models, input."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imgdiff.data.decontamination import KeptOut
from imgdiff.data.fields import Field, in_order
from imgdiff.data.input import Demand
from imgdiff.operator import Operator, RegionFilter, Selector
from imgdiff.recipe.known_words import known_words
from imgdiff.recipe.scales import limits_of_others
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
    def loaded_roles(self) -> tuple[str, ...]:
        """Those whose weights are loaded: of the others the tokenizer alone is."""
        loaded = {role for op in self.operators for role in op.loaded_roles}
        return tuple(role for role in self.roles if role in loaded)

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
    kept_out: sets that models are tested on.
    needed, made: fields, see `imgdiff.data.input.Demand`.
    noted: what can be run, but may not be meant, as the recipe's check tells it. lines: of the
    settings, and places: operator -> where its settings stand, for messages.
    """

    path: Path
    recipe: Recipe
    dataset: "Address"
    phases: tuple[Phase, ...]
    models: dict[str, "Binding"]
    needed: frozenset[str]
    made: frozenset[str]
    kept_out: KeptOut | None = None
    noted: tuple[str, ...] = ()
    lines: Mapping[Key, int] = field(default_factory=dict)
    places: Mapping[str, Key] = field(default_factory=dict)

    @property
    def advice(self) -> tuple[str, ...]:
        """What can be run, but may not be meant, by all that is known of its models by now."""
        return (*self.noted, *limits_of_others(self))

    @property
    def demand(self) -> Demand:
        """What is wanted from the input."""
        recipe = self.recipe
        return Demand(
            recipe.seed,
            recipe.limits.max_pixels,
            self.needed,
            self.made,
            fit=recipe.resize == "fit",
            known=known_words(self.operators, self.models, self.needed),
            kept_out=self.kept_out,
        )

    @property
    def operators(self) -> list[Operator]:
        return [operator for phase in self.phases for operator in phase.operators]

    @property
    def asked(self) -> dict[str, dict[str, str]]:
        """What is asked of the models, see `asked_of`."""
        return asked_of(self.operators)

    @property
    def own_fields(self) -> list[Field]:
        """The fields that its operators declare, each once, by name."""
        declared = {field.name: field for op in self.operators for field in op.fields}
        return [declared[name] for name in sorted(declared)]


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


def asked_of(operators: Iterable[Operator]) -> dict[str, dict[str, str]]:
    """Role -> what operators ask of its model that not every model can do -> the name of one of
    them."""
    asked: dict[str, dict[str, str]] = {}
    for operator in operators:
        for role, what in operator.asks.items():
            asked.setdefault(role, {}).setdefault(what, operator.name)
    return asked


def written_columns(operator: Operator) -> set[str]:
    """The fields of a row that an operator changes; its regions count as one field."""
    columns = {name.partition(".")[0] for name in operator.writes}
    if isinstance(operator, RegionFilter) or operator.region_scores:
        columns.add("regions")
    return columns
