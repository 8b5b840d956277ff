"""A recipe's text as plain values with line numbers, and overrides from the command line."""

import copy
import difflib
import importlib.resources
import itertools
import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from imgdiff.data.readers.base import utf8
from imgdiff.errors import RefusedError
from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.models.zoo import NAMED_SETS
from imgdiff.operator import Composite, find_operator, load_operator_file
from imgdiff.recipe.schema import Recipe

MAX_BYTES = 256 * 1024
LONGEST_WORD = 100  # characters; comparing takes time by their square
NO_TEXT = "holds a character that no text has (a null, or half of a pair)"
COMMAND_LINE = 0  # stands for the line of a setting that came as key=value
log = logging.getLogger(__name__)
Key = tuple[str | int, ...]  # ("process", 2, "image_pair_similarity_filter", "min_score")


@dataclass(frozen=True)
class Problem:
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = "command line" if self.line == COMMAND_LINE else f"line {self.line}"
        return f"{place}, {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class RecipeError(RefusedError):
    """A recipe that cannot be run; as text, the report of every problem in the order of lines."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
        super().__init__("\n  ".join([f"{path}: {count}", *map(str, self.problems)]))


@dataclass
class Source:
    """A recipe's text as plain values, the line of each key, and what is wrong so far.

    Entries of `process` are one-key mappings where the text allows: `name` becomes {name: {}}.
    """

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    written_models: Any = None  # `models` as the text has it, before overrides

    def add(self, key: Key, text: str) -> None:
        """Note a problem with the setting `key`, at its line or that of the key around it."""
        known = key
        while known and known not in self.lines:
            known = known[:-1]
        self.problems.append(Problem(self.lines.get(known, 1), dotted(key), text))

    def process(self) -> list[Any]:
        entries = self.data.get("process")
        return entries if isinstance(entries, list) else []


def dotted(key: Key) -> str:
    """`process[2].image_pair_similarity_filter.min_score`"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """A sentence naming the nearest known word, or nothing: keys of a recipe may be no words."""
    near = difflib.get_close_matches(str(name)[:LONGEST_WORD], map(str, known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def find_recipe(path: str | Path) -> Path:
    """The recipe at `path`, else the one of that name which ships with the package.

    Raises:
        RefusedError: there is neither.
    """
    shipped = importlib.resources.files("imgdiff") / str(path)
    for candidate in (Path(path), Path(str(shipped))):
        if os.path.isfile(candidate):
            return candidate
    raise RefusedError(f"{path}: no such recipe")


def read_source(path: Path, overrides: Sequence[str] = (), trust: Trust = NOTHING_MORE) -> Source:
    """Read a recipe, load the operator files it names if that is allowed, apply overrides:
    `key=value`, or `@FILE` with such lines.

    Raises:
        RecipeError: the text is no YAML mapping, or repeats a key.
    """
    source = parse_recipe(path)
    if isinstance(source.data.get("process"), list):
        source.data["process"] = [_one_key(entry) for entry in source.data["process"]]
    source.written_models = copy.deepcopy(source.data.get("models", "embedded"))
    changes = split_overrides(source, overrides)
    for key, value in changes:  # these first: `operators` decides which names the others can use
        if key[0] in Recipe.model_fields and key[0] != "process":
            if key[0] == "models" and len(key) > 1:
                _name_each_model(source)
            set_value(source, tuple(key), value)
    _load_operators(source, trust)
    for key, value in changes:
        if key[0] not in Recipe.model_fields or key[0] == "process":
            _override_step(source, key, value)
    return source


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases, which can make a small text grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)


def parse_recipe(path: Path) -> Source:
    """A recipe's text as it is.

    Raises:
        RecipeError: it is no YAML mapping, or repeats a key.
    """
    raw = path.read_bytes()
    if len(raw) > MAX_BYTES:
        raise RecipeError(path, [Problem(1, "", f"a recipe has at most {MAX_BYTES // 1024} kB")])
    source = Source(path)
    try:
        loader = _Loader(raw)
        node = loader.get_single_node()
        _walk(node, (), source)
        source.data = loader.construct_document(node) if node else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(path, [Problem(line, "", f"not valid YAML: {error.problem}")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(path, [Problem(1, "", f"not valid YAML: {reason}")]) from None
    if not isinstance(source.data, dict):
        raise RecipeError(path, [Problem(1, "", "a recipe is a mapping of settings")])
    if source.problems:  # repeated keys: which value is meant cannot be known
        raise RecipeError(path, source.problems)
    return source


def _walk(node: Any, key: Key, source: Source) -> None:
    """Note the line of every key under `node`, and keys that are given twice."""
    if isinstance(node, yaml.ScalarNode):
        if not _is_text(node.value):
            line = node.start_mark.line + 1
            source.problems.append(Problem(line, dotted(key), NO_TEXT))
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            source.lines[(*key, index)] = child.start_mark.line + 1
            _walk(child, (*key, index), source)
    elif isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            inner, line = (*key, str(name.value)), name.start_mark.line + 1
            _walk(name, inner, source)
            if inner in source.lines:
                first = source.lines[inner]
                source.problems.append(
                    Problem(line, dotted(inner), f"given twice, first on line {first}")
                )
            source.lines.setdefault(inner, line)
            _walk(child, inner, source)


def _is_text(value: str) -> bool:
    """Whether files and screens can hold it; YAML can spell more."""
    return value == utf8(value) and "\0" not in value


def _one_key(entry: Any) -> Any:
    """An entry of `process` with settings: `name` and {name: null} become {name: {}}."""
    if isinstance(entry, str):
        return {entry: {}}
    if isinstance(entry, dict):
        return {name: {} if settings is None else settings for name, settings in entry.items()}
    return entry


def _load_operators(source: Source, trust: Trust) -> None:
    files = source.data.get("operators")
    for index, name in enumerate(files if isinstance(files, list) else []):
        if not trust.operator_files:
            log.warning("%s is not executed, nor are its operators known", name)
            continue
        beside = source.path.parent / str(name)
        try:
            load_operator_file(beside if os.path.isfile(beside) else Path(str(name)))
        except FileNotFoundError:
            source.add(("operators", index), f"no such file: {name}")
        except (Exception, SystemExit) as error:  # a user's file: anything may be wrong in it
            source.add(("operators", index), f"{name}: {type(error).__name__}: {error}")


def split_overrides(source: Source, overrides: Sequence[str]) -> list[tuple[list[str], Any]]:
    """`a.b=1` as (["a", "b"], 1), and likewise every line of the file that `@FILE` names; what is
    no override is reported."""
    texts = itertools.chain.from_iterable(_texts(source, given) for given in overrides)
    return [change for text in texts if (change := _split_override(source, text))]


def _texts(source: Source, given: str) -> list[str]:
    """An override as it was given, or those of a file, without empty lines and comments."""
    if not given.startswith("@"):
        return [given]
    try:
        lines = map(str.strip, Path(given[1:]).read_text("utf-8").splitlines())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        source.problems.append(Problem(COMMAND_LINE, given, reason))
        return []
    return [line for line in lines if line and not line.startswith("#")]


def _split_override(source: Source, text: str) -> tuple[list[str], Any] | None:
    """`a[0].b` may be written too."""
    name, equals, value = text.partition("=")
    parts = re.sub(r"\[(\d+)\]", r".\1", name).split(".")
    try:
        if not equals or not all(parts) or not _is_text(text):
            raise ValueError
        return parts, yaml.load(value, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError):
        source.problems.append(Problem(COMMAND_LINE, text, "expected key=value"))
        return None


def _override_step(source: Source, parts: list[str], value: Any) -> None:
    """Set `process.1.key`, `process.name.key`, `name.key`, or the same of a step of a composite."""
    names = parts[1:] if parts[0] == "process" else parts
    entries = [
        (index, *entry)
        for index, entry in enumerate(source.process())
        if isinstance(entry, dict) and len(entry) == 1
    ]
    for index, name in entries:
        if names and names[0] in (str(index), name):
            rest = names[2:] if names[1:2] == [name] else names[1:]
            set_value(source, ("process", index, name, *rest), value)
            return
        if names and names[0] in _steps(name):
            set_value(source, ("process", index, name, *names), value)
            return
    steps = itertools.chain.from_iterable((name, *_steps(name)) for _, name in entries)
    hint = did_you_mean(names[0] if names else "", [*Recipe.model_fields, *map(str, steps)])
    text = f"no such setting, and no such operator in process.{hint}"
    source.problems.append(Problem(COMMAND_LINE, ".".join(parts), text))


def _name_each_model(source: Source) -> None:
    """`models: embedded` role by role, so that one of them can be another."""
    named = source.data.get("models", "embedded")
    if isinstance(named, str) and named in NAMED_SETS:
        source.data["models"] = dict.fromkeys(NAMED_SETS[named], named)


def _steps(name: str) -> tuple[str, ...]:
    known = find_operator(name)
    return known.steps if known is not None and issubclass(known, Composite) else ()


def set_value(source: Source, key: Key, value: Any) -> None:
    """Set what the command line gave, making the sections around it. In a list a part of the key
    is the number of an entry, from 0 on."""
    place: Any = source.data
    reached: Key = ()
    for depth, part in enumerate(key):
        if isinstance(place, list) and str(part).isdecimal():
            part = int(part)
        if problem := _missing_place(place, part, dotted(reached)):
            whole = dotted((*reached, part, *key[depth + 1 :]))
            source.problems.append(Problem(COMMAND_LINE, whole, problem))
            return
        reached = (*reached, part)
        source.lines.setdefault(reached, COMMAND_LINE)
        if depth == len(key) - 1:
            place[part] = value
        elif isinstance(place, dict) and place.get(part) is None:
            place[part] = {}
        place = place[part]
    source.lines[reached] = COMMAND_LINE


def _missing_place(place: Any, part: str | int, name: str) -> str:
    """Why `part` cannot be set in a value of that name; empty if it can."""
    if isinstance(place, list):
        known = isinstance(part, int) and part < len(place)
        return "" if known else f"no such entry. {name} has {len(place)}, numbered from 0"
    return "" if isinstance(place, dict) else f"{name} has no settings of its own"
