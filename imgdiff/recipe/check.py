"""The whole-recipe check: every problem in one report, before any model library is imported."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imgdiff.data.fields import FIELDS, TAKEN, Field
from imgdiff.data.readers.base import kind
from imgdiff.errors import RefusedError
from imgdiff.models.kinds import problem
from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.models.zoo import Binding, bind
from imgdiff.operator import (
    INHERITED,
    Composite,
    Filter,
    Selector,
    find_operator,
    registry,
)
from imgdiff.recipe.advice import advice
from imgdiff.recipe.formats import ALWAYS, FORMATS
from imgdiff.recipe.input_check import (
    PlacedOperator,
    follow_fields,
    given_by_input,
    kept_out_of,
    makers,
    refuse_unknown_captions,
)
from imgdiff.recipe.plan import Phase, Plan, asked_of, phases_of
from imgdiff.recipe.scales import refuse_unknown, set_for
from imgdiff.recipe.schema import Recipe
from imgdiff.recipe.source import (
    COMMAND_LINE,
    Key,
    RecipeError,
    Source,
    did_you_mean,
    find_recipe,
    read_source,
)
from imgdiff.recipe.validation import validated

OWN_CLUSTERS = (None, "auto", "local")  # of this machine
WRITTEN = ("regions.conversations", "image_a", "image_b")  # what every other format holds


class TrainsError(RefusedError):
    """The recipe says how to train a model, not how to make data."""


def check(path: str | Path, overrides: Sequence[str] = (), trust: Trust = NOTHING_MORE) -> Plan:
    """The plan of a recipe that can be run.

    trust: what it may do beyond being read.

    Raises:
        RefusedError: there is no such recipe.
        TrainsError: it is one for training.
        RecipeError: every problem that can be told without loading a model.
    """
    source = read_source(find_recipe(path), overrides, trust)
    if "method" in source.data and "process" not in source.data:
        raise TrainsError(f"{path} trains a model. Use: imgdiff train {path}")
    recipe = validated(source, Recipe, source.data, ())
    inherited = {name: getattr(recipe, name) for name in INHERITED if recipe is not None}
    steps = list(operators_of(source, inherited))
    _refuse_repeats(source, steps)
    _check_selection(source, steps)
    operators = [operator for _, operator in steps]
    fields = _known_fields(source, steps)
    given = given_by_input(source, fields)
    models = bound_models(source, steps, trust)
    needed, made = follow_fields(source, steps, fields, given)
    dataset = given.address
    kept_out = kept_out_of(source, recipe.decontaminate) if recipe is not None else None
    refuse_unknown_captions(source, dataset, operators, models, needed)
    phases = phases_of(operators)
    _check_screening(source, steps, phases)
    _check_pools(source, [phase.name for phase in phases if not phase.selects])
    _check_formats(source, steps, given.fields)
    _check_cluster(source)
    limits_for = recipe.limits_for if recipe is not None else {}
    refuse_unknown(source, limits_for)
    if source.problems or recipe is None or dataset is None:
        raise RecipeError(source.path, source.problems)
    limits_for = set_for(source.written_models) | limits_for
    resolved = [{op.name: op.params.model_dump(mode="json")} for op in operators]
    return Plan(
        path=source.path,
        recipe=recipe.model_copy(update={"process": resolved, "limits_for": limits_for}),
        dataset=dataset,
        phases=phases,
        models=models,
        needed=needed,
        made=made,
        kept_out=kept_out,
        noted=advice(source, recipe, steps, models),
        lines=source.lines,
        places={operator.name: key for key, operator in steps},
    )


def operators_of(source: Source, inherited: Mapping[str, Any]) -> Iterator[PlacedOperator]:
    """The recipe's operators in order, composites expanded; what cannot be made is reported.

    inherited: settings that the recipe gives to every operator that has them.
    """
    for index, entry in enumerate(source.process()):
        key: Key = ("process", index)
        if not isinstance(entry, dict):
            source.add(key, f"{kind(entry)}, expected the name of an operator")
        elif len(entry) != 1:
            names = ", ".join(map(str, entry))
            text = f"{len(entry)} keys ({names}), expected one operator with its settings indented"
            source.add(key, text)
        else:
            ((name, settings),) = entry.items()
            yield from _expanded(source, key, str(name), settings, inherited)


def _expanded(
    source: Source, key: Key, name: str, settings: Any, inherited: Mapping[str, Any]
) -> Iterator[PlacedOperator]:
    inner, cls = (*key, name), find_operator(name)
    if cls is None:
        hint = did_you_mean(name, registry())
        source.add(inner, f"unknown operator.{hint} See: imgdiff operators")
    elif not isinstance(settings, dict):
        source.add(inner, f"{kind(settings)}, expected settings")
    elif issubclass(cls, Composite):
        for unknown in (name for name in settings if name not in cls.steps):
            source.add((*inner, unknown), f"unknown step.{did_you_mean(str(unknown), cls.steps)}")
        for step in cls.steps:
            given = settings.get(step)
            if given is not False:  # `off`, in YAML
                own = {} if given is None else given
                yield from _expanded(source, inner, step, own, inherited)
    else:
        known_settings = cls.Params.model_fields
        common = {key: value for key, value in inherited.items() if key in known_settings}
        params = validated(source, cls.Params, common | settings, inner)
        if params is not None:
            yield inner, cls(params)


def _refuse_repeats(source: Source, steps: Sequence[PlacedOperator]) -> None:
    first: dict[str, Key] = {}
    for key, operator in steps:
        if operator.name in first:
            before = f"process[{first[operator.name][1]}]"
            source.add(key, f"named twice, first in {before}; scores are kept by operator")
        first.setdefault(operator.name, key)


def _check_selection(source: Source, steps: Sequence[PlacedOperator]) -> None:
    """Selectors decide across the whole run, so they come last; and something has to come first."""
    selector = ""
    for place, (key, operator) in enumerate(steps):
        if isinstance(operator, Selector):
            selector = operator.name
            if place == 0 and key[1] == 0:
                source.add(key, "selects from what other operators let pass; none is before it")
        elif selector:
            text = f"comes after {selector}, which decides across the whole run. Put it before."
            source.add(key, text)


def _known_fields(source: Source, steps: Sequence[PlacedOperator]) -> dict[str, Field]:
    """The fields that a recipe may name: the package's, and those that its operators declare."""
    known, declared_by = dict(FIELDS), dict[str, str]()
    for key, operator in steps:
        for field in operator.fields:
            first = declared_by.setdefault(field.name, operator.name)
            if field.column in TAKEN:
                source.add(key, f"declares {field.name}, which is taken. Give it another name.")
            elif known.setdefault(field.name, field) != field:
                source.add(key, f"declares {field.name} in another way than {first}.")
    return known


def _check_screening(
    source: Source, steps: Sequence[PlacedOperator], phases: Sequence[Phase]
) -> None:
    """What a filter screens must not be on disk before it, nor be made anew behind it."""
    phase_of = {op.name: number for number, phase in enumerate(phases) for op in phase.operators}
    for place, (key, operator) in enumerate(steps):
        for field in operator.screens if isinstance(operator, Filter) else ():
            makers = [(at, op) for at, (_, op) in enumerate(steps) if field in op.writes]
            made_in = [phase_of[op.name] for at, op in makers if at < place]
            stored = min(made_in, default=0)  # what the input brings is stored with the first phase
            if stored < phase_of[operator.name]:
                before = phases[stored].name
                text = f"{field} would be on disk before it, in the files of the phase {before}."
                way_out = f"right behind what makes {field}" if made_in else "first"
                source.add(key, f"{text} Put it {way_out}.")
            for later in (op.name for at, op in makers if at > place):
                source.add(key, f"{field} is made anew by {later} behind it. Put it behind that.")


def _check_pools(source: Source, phases: Sequence[str]) -> None:
    pools = source.data.get("phases")
    for name in pools if isinstance(pools, dict) else ():
        if name not in phases:
            text = f"no such phase; the recipe has {', '.join(phases)}.{did_you_mean(name, phases)}"
            source.add(("phases", name), text)


def _check_formats(source: Source, steps: Sequence[PlacedOperator], given: Collection[str]) -> None:
    """Every format is known, and has something to write; a step that could not be made may have
    been the one to make it. given: fields of the input."""
    there = {*given}.union(*(operator.writes for _, operator in steps))
    lacking = [name for name in WRITTEN if name not in there]
    unsure = any(problem.key.startswith("process") for problem in source.problems)
    section = source.data.get("export")
    names = section.get("formats") if isinstance(section, dict) else ()
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if not isinstance(name, str):
            continue  # reported with the schema
        key: Key = ("export", "formats", index)
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS)
            source.add(key, f"{name} is not one of {', '.join(FORMATS)}.{hint}")
        elif name != ALWAYS and lacking and not unsure:
            text = f"{name} needs {lacking[0]}, which nothing makes.{makers(lacking[0])}"
            source.add(key, text)


def _check_cluster(source: Source) -> None:
    """Whoever has the cluster can run code here, for what comes from it is unpickled."""
    address, key = source.data.get("ray_address"), ("ray_address",)
    if address not in OWN_CLUSTERS and source.lines.get(key) != COMMAND_LINE:
        text = f"a cluster can run code on this machine. Name it there: ray_address={address}"
        source.add(key, f"only the command line may say it: {text}")


def bound_models(
    source: Source, steps: Sequence[PlacedOperator], trust: Trust
) -> dict[str, Binding]:
    """The checkpoint of every role that the operators need."""
    setting = source.data.get("models", "embedded")
    if not isinstance(setting, str | dict):
        return {}  # reported with the schema
    try:
        bound = bind(setting)
    except ValueError as error:
        source.add(("models",), str(error))
        return {}
    used: dict[str, Binding] = {}
    asked = asked_of(operator for _, operator in steps)
    for key, operator in steps:
        operator.use(bound)
        for role in operator.roles:
            if role not in bound:
                source.add(key, f"needs the model {role}, which {_lacking(setting, role)}")
            elif role not in used:
                binding = used[role] = trust.applied(bound[role])
                wrong = trust.problem(binding) or problem(role, binding, asked.get(role, {}))
                if wrong:
                    source.add(("models", role), wrong)
    return used


def _lacking(setting: str | dict[str, Any], role: str) -> str:
    """Where a role should have been bound, and how to bind it."""
    if isinstance(setting, dict):
        return "models does not name"
    way_out = f"{{clip: {setting}, ..., {role}: owner/name}}"
    return f"the set {setting} does not have. Name each role in models: {way_out}"
