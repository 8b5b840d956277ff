"""Settings against their schema, with each complaint at its line and in a user's words."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from imgdiff.data.readers.base import kind
from imgdiff.recipe.source import Key, Source, did_you_mean

M = TypeVar("M", bound=BaseModel)
EXPECTED = {  # pydantic's error -> what a setting takes
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def validated(source: Source, model: type[M], values: Any, key: Key) -> M | None:
    """`values` as a `model`, or None and its problems in the report."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        seen = set[Key]()
        for detail in error.errors():
            place = _place(values, detail["loc"])
            if place not in seen:  # each member of a union complains
                source.add((*key, *place), _explain(detail, model))
            seen.add(place)
        return None


def _place(values: Any, location: Sequence[str | int]) -> Key:
    """Where a complaint belongs: pydantic's location up to the first key that is not there."""
    place: list[str | int] = []
    for part in location:
        known = isinstance(values, dict) and part in values
        known = known or (isinstance(values, list) and isinstance(part, int))
        if not known and not isinstance(values, dict):
            break  # the name of a member of a union
        place.append(part)
        values = values[part] if known else None
    return tuple(place)


def _explain(detail: Any, model: type[BaseModel]) -> str:
    """One of pydantic's errors in a user's words."""
    value, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            inner = model.model_fields.get(str(detail["loc"][0]))
            section = get_args(inner.annotation)[-1:] if inner else ()  # of dict[str, Pool]
            known = getattr(
                section[0] if section else inner and inner.annotation,
                "model_fields",
                model.model_fields,
            )
            name = str(detail["loc"][-1])
            name = getattr(model, "former_names", {}).get(name, name)
            return f"unknown setting.{did_you_mean(name, known)}"
        case "missing":
            return "is required"
        case "less_than_equal":
            return f"{value} is above {context['le']}"
        case "greater_than_equal":
            return f"{value} is below {context['ge']}"
        case "less_than":
            return f"{value} is not below {context['lt']}"
        case "greater_than":
            return f"{value} is not above {context['gt']}"
        case "literal_error":
            return f"{_quoted(value)} is not one of {context['expected']}"
        case "value_error":
            return str(context["error"])
        case name if name in EXPECTED:
            text = f"{_quoted(value)} is {kind(value)}, expected {EXPECTED[name]}."
            return text + _hint(value, name)
    return str(detail["msg"])


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _hint(value: Any, expected: str) -> str:
    """How to write a number that YAML takes for text: quoted, or 1e-4 without a point."""
    pattern = r"([+-]?[0-9]+)(\.[0-9]*)?(?:[eE]([+-]?)([0-9]+))?"
    match = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if match is None or expected not in ("float_type", "int_type"):
        return ""
    whole, fraction, sign, exponent = match.groups()
    if exponent is None:
        return f" Write {value}, without quotes."
    if expected == "int_type":
        return f" Write {float(value):.0f}."
    return f" Write {whole}{fraction or '.0'}e{sign or '+'}{exponent}."
