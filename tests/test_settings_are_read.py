"""Every setting that a recipe may have is read by the code it belongs to."""

import ast
import dataclasses
from functools import cache

import pytest
from package_source import imports, modules
from transformers import TrainingArguments

from imgdiff.training.recipe import TrainerSettings

OF_RUNS = "imgdiff.recipe"  # run.json holds a run's recipe, so that any module may read it there
PASSED_ON = "TrainerSettings"  # to transformers, as a whole
TRAINING = "imgdiff.training"  # what methods share is read by any, a method's own in its package


@cache
def classes() -> list[tuple[str, ast.ClassDef]]:
    return [
        (module, node)
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]


def bases(node: ast.ClassDef) -> set[str]:
    return {base.id for base in node.bases if isinstance(base, ast.Name)}


@cache
def schemas() -> list[tuple[str, ast.ClassDef]]:
    """(module, class) of all that pydantic checks."""
    known = {"BaseModel"}
    while True:
        found = [(module, node) for module, node in classes() if bases(node) & known]
        names = {node.name for _, node in found} | {"BaseModel"}
        if names == known:
            return found
        known = names


def fields(node: ast.ClassDef) -> set[str]:
    return {
        line.target.id
        for line in node.body
        if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.unparse(line.annotation)
    }


def inherited(node: ast.ClassDef) -> set[str]:
    """Fields of the classes above it, which only give them other bounds here."""
    above = [other for _, other in schemas() if other.name in bases(node)]
    return set().union(*(fields(other) | inherited(other) for other in above))


@cache
def words(module: str) -> set[str]:
    """Attributes and strings of a module, but those beside a schema's own fields."""
    declared = {
        part
        for owner, node in schemas()
        if owner == module
        for line in node.body
        if isinstance(line, ast.AnnAssign)
        for part in ast.walk(line)
    }
    parts = [part for part in ast.walk(modules()[module]) if part not in declared]
    attributes = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return attributes | {part.value for part in parts if isinstance(part, ast.Constant)}


def readers(module: str) -> set[str]:
    """Modules where a setting of a schema in `module` may be read: itself, what it imports, what
    imports it, and of trainings all of its package."""
    if module.startswith(OF_RUNS):
        return set(modules())
    near = {module, *imports(module), *(name for name in modules() if module in imports(name))}
    if module.startswith(TRAINING):
        package = module.rpartition(".")[0]
        near |= {name for name in modules() if name.startswith(package)}
    return near


OWN = [
    pytest.param(module, node, id=f"{module}.{node.name}")
    for module, node in schemas()
    if node.name != PASSED_ON and fields(node) - inherited(node)
]


@pytest.mark.parametrize(("module", "schema"), OWN)
def test_every_setting_is_read(module, schema):
    found = set().union(*(words(name) for name in readers(module)))
    assert sorted(fields(schema) - inherited(schema) - found) == []


def test_all_schemas_are_seen():
    names = {node.name for _, node in schemas()}
    assert {"Export", "Endpoint", "DataSource", "PhraseRelevanceParams", "Range"} <= names
    assert len(OWN) > 30


def test_settings_of_the_trainer_are_what_transformers_calls_them():
    named = {field.name for field in dataclasses.fields(TrainingArguments)}
    renamed = {"gradient_checkpointing"}  # `fitting.arguments` knows its new name
    assert set(TrainerSettings.model_fields) - renamed <= named
