"""`imgdiff operators [NAME]`: what operators there are, and all about one."""

import argparse
import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE, REFUSED
from imgdiff.operator import INHERITED, Composite, Operator, Registered, registry
from imgdiff.recipe.source import did_you_mean

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("operators")
    parser.add_argument("name", nargs="?", help="one operator only")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    """Describe one operator, or all."""
    known = registry()
    if given.name and given.name not in known:
        hint = did_you_mean(given.name, known)
        print(f"{given.name}: unknown operator.{hint}", file=sys.stderr)
        return REFUSED
    names = [given.name] if given.name else sorted(known)
    print("\n\n".join(operator_description(known[name]) for name in names))
    return COMPLETE


def operator_description(operator: Registered) -> str:
    """An operator's purpose, fields, models and settings."""
    return "\n".join(_lines(operator))


def _lines(operator: Registered) -> Iterator[str]:
    yield operator.name
    yield from (f"  {line}".rstrip() for line in (inspect.getdoc(operator) or "").splitlines())
    if issubclass(operator, Composite):
        yield f"  steps: {', '.join(operator.steps)}"
        return
    facts = {"reads": operator.reads, "writes": operator.writes, "models": operator.roles}
    if operator.stage:
        facts = {"stage": (operator.stage,), **facts}
    facts["scores"] = (*operator.scores, *operator.region_scores)
    yield from (f"  {fact}: {', '.join(names)}" for fact, names in facts.items() if names)
    yield from (f"  field {field.name}: {field.meaning}" for field in operator.fields)
    for name, setting, required in declared_settings(operator):
        yield f"    {name}: {', '.join(described_setting(setting, required))}"


def declared_settings(operator: type[Operator]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """The name of each setting, what its JSON schema says, and whether it must be given."""
    schema = operator.Params.model_json_schema()
    for name, setting in schema.get("properties", {}).items():
        if name in INHERITED:
            setting["default"] = "the recipe's"
        yield name, setting, name in schema.get("required", ())


def described_setting(setting: dict[str, Any], required: bool) -> Iterable[str]:
    """Its type, bounds, default and meaning, from a JSON schema."""
    kinds = setting.get("anyOf", [setting])
    yield " or ".join(_kind(kind) for kind in kinds)
    for kind in kinds:
        yield from (f"{words} {kind[key]}" for key, words in BOUNDS.items() if key in kind)
    default = setting.get("default")
    shown = (
        default if isinstance(default, str) else json.dumps(default)
    )  # null and true, as in YAML
    yield "required" if required else f"default {shown}"
    if meaning := setting.get("description"):
        yield meaning


def _kind(schema: dict[str, Any]) -> str:
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return " or ".join(map(str, choices)) or str(schema.get("type", "mapping"))
