"""The libraries that a run is going to need, imported before its first row: what is missing is said
then, and not after hours of work."""

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.abc import InspectLoader
from importlib.util import find_spec
from typing import NamedTuple

from imgdiff.engine.faults import cannot_import
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.models.kinds import family_of
from imgdiff.models.zoo import Binding, Endpoint
from imgdiff.recipe.plan import Phase

PACKAGE = "imgdiff"
LEADS_TO_ALL = ("imgdiff.models", "imgdiff.models.families")  # models are looked at by role
FINISHING = ("imgdiff.export.dataset", "imgdiff.report.page")  # what every run ends with


class Imported(NamedTuple):
    """What one import statement wants: a module, and a name in it if one is given."""

    module: str
    name: str = ""


def import_libraries(phase: Phase, models: Mapping[str, Binding]) -> None:
    """Import what the code of a phase's operators and models imports, wherever it does so.

    Raises:
        StoppedError: something cannot be imported; the message says by whom it is needed, and how
            it is installed.
    """
    for operator in phase.operators:
        _import_all(operator.name, [type(operator).__module__])
    for role in phase.roles:
        _import_all(f"models.{role}", _code_of(role, models[role]))


def import_for_the_end() -> None:
    """The same for what is made of complete shards."""
    _import_all("the report", FINISHING)


def _code_of(role: str, model: Binding) -> list[str]:
    if isinstance(model, Endpoint):
        return ["imgdiff.models.http"]
    try:
        family = family_of(role, model)
    except RefusedError:  # that is told where models are looked at
        return []
    return [f"imgdiff.models.families.{family.code.partition(':')[0]}"]


def _import_all(whose: str, modules: Iterable[str]) -> None:
    for wanted in sorted(needed(modules)):
        try:
            module = importlib.import_module(wanted.module)
            if wanted.name and not hasattr(module, wanted.name):
                importlib.import_module(f"{wanted.module}.{wanted.name}")
        except Exception as error:  # what it raises is the library's to choose
            raise StoppedError(f"{whose}: {cannot_import(error)}") from error


def needed(modules: Iterable[str]) -> set[Imported]:
    """What the code of modules imports from outside the package, directly or by modules of the
    package that it imports."""
    found: set[Imported] = set()
    waiting = list(modules)
    known = {*waiting, *LEADS_TO_ALL}
    while waiting:
        for wanted in _imports(_code(waiting.pop())):
            if wanted.module.partition(".")[0] != PACKAGE:
                found.add(wanted)
                continue
            inside = [name for name in _modules(wanted) if name not in known]
            waiting += inside
            known.update(inside)
    return found


def _modules(wanted: Imported) -> list[str]:
    """The modules of the package that an import wants: what it names may be one, too."""
    named = f"{wanted.module}.{wanted.name}"
    return [wanted.module, *([named] if wanted.name and _code(named) else [])]


@cache
def _imports(code: str) -> tuple[Imported, ...]:
    return tuple(_found(ast.parse(code).body))


def _code(module: str) -> str:
    """Of a module, which need not have been imported; empty if it is none."""
    there = sys.modules.get(module)
    try:
        spec = there.__spec__ if there else find_spec(module)
    except ModuleNotFoundError:  # what comes before its last dot is no package
        spec = None
    loader = spec.loader if spec else None
    return (loader.get_source(module) or "") if isinstance(loader, InspectLoader) else ""


def _found(statements: Iterable[ast.stmt]) -> Iterator[Imported]:
    """Imports in code, but those for type checkers and those that may fail."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (Imported(alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            yield from (Imported(str(statement.module), each.name) for each in statement.names)
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            yield from _found(statement.orelse)
        elif not isinstance(statement, ast.Try):
            for inner in ("body", "orelse", "finalbody"):
                yield from _found(getattr(statement, inner, ()))
