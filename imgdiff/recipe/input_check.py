"""What a recipe needs from its input, and whether the input gives it."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgdiff.data.decontamination import KeptOut
from imgdiff.data.fields import Field
from imgdiff.data.input import fields_of, peek, peek_captions
from imgdiff.data.readers import find
from imgdiff.data.readers.base import ALIASES, Address, InputError
from imgdiff.models.zoo import Binding
from imgdiff.operator import Filter, Operator, registry
from imgdiff.recipe.known_words import known_words
from imgdiff.recipe.plan import written_columns
from imgdiff.recipe.schema import Decontaminate
from imgdiff.recipe.source import Key, Source, did_you_mean

PlacedOperator = tuple[Key, Operator]  # an operator of the recipe, and where its settings stand


@dataclass(frozen=True)
class Given:
    """The input of a recipe.

    address: None where there is none. columns: those that it has; None where that cannot be known
    before it is downloaded, or it cannot be read. misnamed: fields whose column it lacks, which is
    reported.
    """

    address: Address | None = None
    columns: frozenset[str] | None = None
    misnamed: frozenset[str] = frozenset()

    @property
    def fields(self) -> Collection[str]:
        """What it gives, or may be meant to."""
        if self.address is None:
            return ()
        if self.columns is None:
            return self.address.fields
        return {*fields_of(self.columns, self.address), *self.misnamed}

    @property
    def listing(self) -> str:
        """Its columns, in a sentence."""
        return f"It has {', '.join(sorted(self.columns or ())) or 'no columns'}."


def given_by_input(source: Source, fields: Mapping[str, Field]) -> Given:
    """The input: as given, else from where the folder of recipes is (installed ones)."""
    name = source.data.get("dataset_path")
    if not isinstance(name, str) or not name:
        return Given()  # reported with the schema
    given_fields = {name: each for name, each in fields.items() if each.given_by == "input"}
    columns = _columns(source, ("id", *given_fields))
    try:
        found = find(name, Path(), source.path.parent.parent)
        address = replace(found, columns=columns, fields=given_fields)
        there = None if address.place is None else peek(address)
    except InputError as error:
        source.add(("dataset_path",), str(error))
        return Given()
    given = Given(address, there)
    misnamed = [field for field in columns if there is not None and columns[field] not in there]
    for field in misnamed:
        hint = did_you_mean(columns[field], there or ())
        written = next((k for k, v in _setting(source).items() if v == columns[field]), field)
        text = f"the input has no column {columns[field]}.{hint} {given.listing}"
        source.add(("columns", written), text)
    return replace(given, misnamed=frozenset(misnamed))


def _setting(source: Source) -> dict[str, str]:
    """`columns` as the recipe has it, as far as it can be."""
    given = source.data.get("columns")
    pairs = given.items() if isinstance(given, dict) else ()
    return {str(field): column for field, column in pairs if isinstance(column, str)}


def _columns(source: Source, names: Sequence[str]) -> dict[str, str]:
    """Field -> column. names: of the fields that an input gives."""
    meant = {alias: field for field, alias in ALIASES.items()}
    columns: dict[str, str] = {}
    for written, column in _setting(source).items():
        field = meant.get(written, written)
        if field not in names:
            hint = (
                did_you_mean(written, (*names, *meant)) or f" The input gives {', '.join(names)}."
            )
            source.add(("columns", written), f"no field of the input.{hint}")
        elif field in columns:
            source.add(("columns", written), f"{field} is named twice")
        columns[field] = column
    return columns


def follow_fields(
    source: Source, steps: Sequence[PlacedOperator], fields: Mapping[str, Field], given: Given
) -> tuple[frozenset[str], frozenset[str]]:
    """Follow the fields from operator to operator; returns (needed from the input, made here).

    A step that could not be made may have been the one to make a field, so nothing is said about
    missing fields then. What a dataset of the Hub gives is seen when it is there.
    """
    has_input = given.address is not None
    complete = has_input and not any(p.key.startswith("process") for p in source.problems)
    needed, made = set[str](), set[str]()
    missing: dict[str, list[PlacedOperator]] = {}
    for key, operator in steps:
        for name in dict.fromkeys((*operator.reads, *operator.writes)):
            if name not in fields:
                source.add(key, f"{name} is no field of a row.{did_you_mean(name, fields)}")
        lacking = [name for name in operator.reads if name in fields and name not in made]
        needed.update(lacking)
        for name in lacking:
            if complete and name not in given.fields:
                missing.setdefault(name, []).append((key, operator))
        made.update(operator.writes)
    for name, placed in missing.items():
        _report_missing(source, fields[name], placed, given)
    written = set(itertools.chain.from_iterable(written_columns(op) for _, op in steps))
    return frozenset(needed), frozenset(written - needed)


def _report_missing(
    source: Source, field: Field, placed: Sequence[PlacedOperator], given: Given
) -> None:
    """One message for a field that is not there; of steps that can all be left out, one each."""
    text = f"needs {field.name}, which nothing before it makes."
    fixed = [(key, operator) for key, operator in placed if not _can_be_off(key, operator, field)]
    if not fixed:
        for key, operator in placed:
            way_out = f" Without captions set {operator.name}: off."
            source.add(key, f"{text}{way_out}{makers(field.name)}")
        return
    way_out = ""
    if field.given_by == "input":
        name = ALIASES.get(field.name, field.name)
        way_out = f" {given.listing} If one of these is it, say columns: {{{name}: COLUMN}}."
    source.add(fixed[0][0], f"{text}{way_out}{makers(field.name)}")


def _can_be_off(key: Key, operator: Operator, field: Field) -> bool:
    """Whether it is a step of a composite that other steps do without."""
    step = len(key) > len(("process", 0, "operator"))
    return step and field.name.startswith("caption") and isinstance(operator, Filter)


def makers(field: str) -> str:
    """The operators that make a field, in a sentence."""
    names = [
        name
        for name, known in sorted(registry().items())
        if issubclass(known, Operator) and field in known.writes
    ]
    return f" Made by: {', '.join(names)}" if names else ""


def kept_out_of(source: Source, settings: Decontaminate) -> KeptOut | None:
    """The sets to keep out, None if there are none; one that cannot be read is reported."""
    kept_out = KeptOut(settings.max_distance)
    for kind, add in (("hashes", kept_out.add_hashes), ("captions", kept_out.add_captions)):
        for index, name in enumerate(getattr(settings, kind)):
            try:
                add(find(name, Path(), source.path.parent.parent))
            except InputError as error:
                source.add(("decontaminate", kind, index), str(error))
    return kept_out if kept_out.captions or kept_out.hashes else None


def refuse_unknown_captions(
    source: Source,
    dataset: Address | None,
    operators: Sequence[Operator],
    models: Mapping[str, Binding],
    needed: Collection[str],
) -> None:
    """Report captions of which the models that read them know none, as far as the input begins;
    single ones are rejected as they are read."""
    known = known_words(operators, models, needed)
    if known is None or dataset is None or dataset.place is None:
        return
    problems = [known.problem([caption]) for caption in peek_captions(dataset)]
    if problems and all(problems):
        source.add(("dataset_path",), f"its captions say {problems[0]}")
