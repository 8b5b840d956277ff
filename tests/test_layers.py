"""The rooms of the package stand in layers, and a room imports what lies below it alone."""

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
from package_source import ROOT, modules

LAYERS = (  # from top to bottom; rooms of one layer do not import one another
    {"api"},
    {"__main__", "cli", "run"},  # but these, which people start
    {"report", "doctor", "rehearsal"},
    {"training"},
    {"evaluation", "export"},
    {"statistics", "testing"},
    {"engine"},
    {"recipe"},
    {"operators"},
    {"differences", "generation"},
    {"operator"},
    {"toyland"},
    {"editing"},
    {"models"},
    {"store"},
    {"data"},
    {"console", "text"},
    {"errors"},
)
STARTED = LAYERS[1]
DEPTHS = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}
USED_BY_OPERATORS = {
    *("operator", "generation", "differences", "editing", "models", "data", "text", "errors"),
}
UNKNOWN_TO_MODELS = ("imgdiff.recipe", "imgdiff.data.rows", "imgdiff.operator")


class Import(NamedTuple):
    """importer, imported: names of modules. late: in a function, or for type checkers alone, so
    that it does not happen when the importer is imported."""

    importer: str
    imported: str
    late: bool


@cache
def imports() -> tuple[Import, ...]:
    """Every import in the package, of its own modules and of others."""
    return tuple(
        Import(importer, imported, late)
        for importer, tree in modules().items()
        for imported, late in _imports(tree, late=False)
    )


def _imports(node: ast.AST, late: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.module, "a relative import hides where it points"
            for alias in child.names:
                name = f"{child.module}.{alias.name}"
                yield (name if name in modules() else child.module), late
        in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        yield from _imports(child, late or in_function or for_types)


def room(module: str) -> str:
    """`export` of `imgdiff.export.card`; empty for the package itself and for other packages."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "imgdiff" else ""


def points_down(here: str, there: str) -> bool:
    return here == there or {here, there} <= STARTED or DEPTHS[here] < DEPTHS[there]


def test_every_room_has_a_layer():
    assert {room(name) for name in modules()} - {""} == set(DEPTHS)


@pytest.mark.parametrize("late", [False, True], ids=["when imported", "in functions"])
def test_imports_point_down(late):
    upward = [
        f"{each.importer} imports {each.imported}"
        for each in imports()
        if each.late == late and room(each.importer) and room(each.imported)
        if not points_down(room(each.importer), room(each.imported))
    ]
    assert upward == []


def test_no_modules_import_one_another():
    """Within a room, too: whichever is imported first, it gets all that it needs."""
    needed = {name: set() for name in modules()}
    for importer, imported, late in imports():
        if imported in needed and not late:
            needed[importer].add(imported)
    while complete := [name for name in needed if not needed[name] & needed.keys()]:
        for name in complete:
            del needed[name]
    assert needed == {}


def test_an_operator_knows_no_engine_and_no_other_operator():
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported, _ in imports()
        if importer.startswith("imgdiff.operators.")
        if imported.partition(".")[0] == "ray"
        or (room(imported) and room(imported) not in USED_BY_OPERATORS)
    ]
    assert wrong == []


def test_models_and_editing_know_no_recipe_and_no_row():
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported, _ in imports()
        if room(importer) in ("models", "editing") and imported.startswith(UNKNOWN_TO_MODELS)
    ]
    assert wrong == []


def test_an_engine_knows_no_file():
    """What it stores and reads again goes through the run's store."""
    through_it = ("imgdiff.engine.", "imgdiff.store.shard_files", "imgdiff.models.chat_client")
    of_files = {"pathlib", "shutil", "tempfile", "imgdiff.store.folder_store"}
    wrong = [
        f"{each.importer} imports {each.imported}"
        for each in imports()
        if each.importer.startswith(through_it) and each.imported in of_files
    ]
    assert wrong == []


def test_the_picture_for_contributors_shows_these_layers():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    picture = page.partition("Imports go down only.")[2].partition("`imgdiff/toyland/`")[0]
    lines = re.findall(r"^    (\w\S*(?: {3}\w\S*)*)", picture, re.MULTILINE)
    depths = [[DEPTHS[name.removesuffix(".py")] for name in line.split()] for line in lines]
    assert len(depths) >= 8
    for upper, lower in itertools.pairwise(depths):
        assert max(upper) < min(lower)
