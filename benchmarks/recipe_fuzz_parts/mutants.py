"""Recipes that were tampered with: other values, keys moved, doubled or renamed, text broken.

All that is drawn comes from a `random.Random`, so that a property-based test can draw it, too. No
text that is put in leads out of the current folder: an accepted mutant is run.
"""

import copy
import math
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

SCALARS: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 10**9, 2**63, -(10**30), 10**400),
    *(0.0, 0.5, -2.5, 1e-4, 1e308, math.inf, -math.inf, math.nan),
    *("", " ", "a", "embedded", "off", "null", "1e-4", "012", "no", "0x10", "é", "\u202e", "\n"),
    *(
        "a.b",
        "a[0]",
        "{caption_a}",
        "{",
        "%s",
        "\0",
        "\ud800",
        "x" * 5000,
        "- a",
        "a: b",
        "@",
        "=",
        "~nobody",
    ),
    *("extra", "cat_a.png", "captions.jsonl", "mine.yaml", "captions", "caption_a", "regions"),
    *(b"bytes", date(2026, 1, 1)),
]
WORDS = (  # names that mean something somewhere
    "name base_url model dtype device revision family unet lora scheduler compile key_variable "
    "extra_body process operators models limits export phases columns seed limit shard_rows "
    "method min_score max_score batch_size lexicon strategy trainer data adapter clip mllm llm "
    "formats run light_edit_mapper light_areas light_area_filter light_repeat_selector "
    "caption_edit_mapper"
).split()
PIECES = (
    *("&a ", "*a", "!!python/object:os.system ", "!!binary ", "!!set ", "!!omap ", "<<: ", "? "),
    *("\t", "- ", "{", "}", "[", "]", "[" * 3000, "{a: " * 500, "%YAML 9.9\n", "---\n", "...\n"),
    *(
        "\0",
        "\ufeff",
        "\x85",
        "\u2028",
        "'",
        '"',
        "|\n",
        ">-\n",
        "# ",
        ":",
        ": ",
        "\n",
        "  ",
        "=: ",
    ),
    *("2026-13-45", "0b12", "1:99:99", ".nan", "1_0", "~", "\\ud800"),
)
Place = tuple[Any, Any]  # a mapping or list, and a key or number in it


def mutant(source: random.Random, base: dict[str, Any]) -> bytes:
    """The text of a recipe with some changes."""
    recipe = copy.deepcopy(base)
    for _ in range(source.choice((1, 1, 2, 4))):
        _change(source, recipe)
    try:
        text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=source.random() < 0.5)
    except (yaml.YAMLError, ValueError):  # the number of 400 digits
        text = repr(recipe)
    if source.random() < 0.2:
        text = _broken(source, text)
    return text.encode("utf-8", "surrogatepass")


def _change(source: random.Random, recipe: dict[str, Any]) -> None:
    places = list(_places(recipe))
    if not places:
        return
    holder, key = source.choice(places)
    way = source.choice(("value", "value", "value", "delete", "double", "rename", "swap", "add"))
    if way == "value":
        holder[key] = _value(source)
    elif way == "delete":
        del holder[key]
    elif way == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == "rename" and isinstance(holder, dict):
        holder[_key(source)] = holder.pop(key)
    elif way == "swap":
        other, place = source.choice(places)
        holder[key] = copy.deepcopy(other[place]) if place in _keys(other) else None
    elif isinstance(holder, dict):
        holder[_key(source)] = _value(source)
    else:
        holder.append(_value(source))


def _places(value: Any) -> Iterator[Place]:
    for key in _keys(value):
        yield value, key
        yield from _places(value[key])


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _key(source: random.Random) -> Any:
    """Of a mapping; YAML takes any scalar."""
    return source.choice(WORDS) if source.random() < 0.7 else source.choice(SCALARS)


def _value(source: random.Random, depth: int = 0) -> Any:
    kind = source.random()
    if kind < 0.6 or depth > 2:
        return source.choice(SCALARS)
    if kind < 0.7:
        return source.choice(WORDS)
    if kind < 0.85:
        return [_value(source, depth + 1) for _ in range(source.randint(0, 3))]
    return {_key(source): _value(source, depth + 1) for _ in range(source.randint(0, 3))}


def _broken(source: random.Random, text: str) -> str:
    start = source.randint(0, len(text))
    stop = min(len(text), start + source.choice((0, 0, 1, 5, 50)))
    return text[:start] + source.choice(PIECES) + text[stop:]


def arguments(source: random.Random, base: list[str]) -> list[str]:
    """A command line with some words changed, left out, doubled or put in."""
    made = list(base)
    for _ in range(source.choice((1, 1, 2))):
        place = source.randint(0, len(made))
        word = str(source.choice([*SCALARS, *WORDS, *(each for each in base if each[:2] == "--")]))
        word = word.replace("\0", "").replace("\ud800", "\udcff")[:200]  # what a shell can give
        way = source.choice(("change", "change", "leave out", "double", "put in"))
        stop = place + (way in ("change", "leave out"))
        made[place:stop] = {"leave out": [], "double": made[place : place + 1]}.get(way, [word])
    return made
