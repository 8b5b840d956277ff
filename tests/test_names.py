"""One name has one meaning: no class, function or type is defined twice at the top of a module."""

import ast
import re
from collections import Counter

from package_source import modules

# modules that share an interface define its functions each: name -> how their modules begin
INTERFACES = {
    "call": ("imgdiff.cli.",),  # a verb
    "parse": ("imgdiff.cli.",),
    "main": ("imgdiff.",),  # what can be started by itself
    "run": ("imgdiff.engine.",),  # an executor
    "scores": ("imgdiff.evaluation.",),  # a test of `imgdiff evaluate`
    "train": ("imgdiff.training.", "imgdiff.toyland."),  # a method, and a trainer of toyland's
    "new_model": ("imgdiff.toyland.",),
    "processor": ("imgdiff.toyland.",),
}
SMALL, LARGE = "imgdiff.toyland.", "imgdiff.toyland.world."  # two worlds, with things of one name


def defined(tree: ast.Module) -> set[str]:
    """Public classes, functions and types (`Key = tuple[str, ...]`) at the top of a module."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            named = {target.id for target in node.targets if isinstance(target, ast.Name)}
            names |= {name for name in named if re.match("[A-Z][a-z]", name)}
    return {name for name in names if not name.startswith("_")}


def meanings(places: dict[str, set[str]]) -> dict[str, list[str]]:
    """Names that stand for more than one thing, and the modules that define them."""
    found: dict[str, list[str]] = {}
    for module, names in places.items():
        for name in names:
            if not module.startswith(INTERFACES.get(name, ("no module",))):
                found.setdefault(name, []).append(module)
    return {name: sorted(where) for name, where in found.items() if _things(where) > 1}


def _things(where: list[str]) -> int:
    large = sum(module.startswith(LARGE) for module in where)
    small = sum(module.startswith(SMALL) for module in where) - large
    return len(where) - large - small + max(large, small)


def test_no_name_has_two_meanings():
    assert meanings({name: defined(tree) for name, tree in modules().items()}) == {}


def test_an_interface_is_met_more_than_once():
    """Else it is none, and its name may mean something else."""
    count = Counter(name for tree in modules().values() for name in defined(tree))
    assert {name for name in INTERFACES if count[name] < 2} == set()


def test_what_counts_as_one_thing():
    tree = ast.parse("class A: ...\ndef b(): ...\ndef _c(): ...\nKey = int\nLIMIT = 1\nx = 2\n")
    assert defined(tree) == {"A", "b", "Key"}
    worlds = {f"{SMALL}scenes": {"draw"}, f"{LARGE}scenes": {"draw"}}
    assert meanings(worlds) == {}
    assert meanings(worlds | {"imgdiff.export": {"draw"}}) == {
        "draw": ["imgdiff.export", f"{SMALL}scenes", f"{LARGE}scenes"]
    }
    assert meanings({f"{SMALL}a": {"f"}, f"{SMALL}b": {"f"}}) == {"f": [f"{SMALL}a", f"{SMALL}b"]}
    assert meanings({"imgdiff.cli.run": {"call"}, "imgdiff.cli.push": {"call"}}) == {}
    assert meanings({"imgdiff.cli.run": {"call"}, "a": {"call"}, "b": {"call"}}) == {
        "call": ["a", "b"]
    }
