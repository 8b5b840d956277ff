"""CONTRIBUTING.md: what it names is there, and what it says of adding things is so."""

import json
import re
import sys
import types
from pathlib import Path

import pytest

from imgdiff import __version__, cli
from imgdiff.cli import main
from imgdiff.errors import COMPLETE
from imgdiff.models import families
from imgdiff.recipe.formats import FORMATS
from imgdiff.training.recipe import METHODS, method_module

MODEL_FAMILY = """
import numpy as np


class Grey:
    @classmethod
    def load(cls, checkpoint):
        return cls()

    def embed_images(self, pictures):
        return np.ones((len(pictures), 1), np.float32)
"""
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FORMAT = """
from imgdiff.export.json_format import JsonFormat
from imgdiff.export.validation import Example


class Plain(JsonFormat):
    name = "plain"

    def record(self, sample, pictures):
        said = [turn["value"] for turn in sample.turns]
        return {"id": sample.id, "said": said, "pictures": list(pictures)}

    def example(self, record):
        turns = zip(("user", "assistant") * 99, record["said"], strict=False)
        pictures = [(self.folder / name).read_bytes() for name in record["pictures"]]
        return Example(record["id"], list(turns), pictures)
"""


def test_every_file_that_it_names_is_there():
    named = set(re.findall(r"`((?:imgdiff|operators|tests|docs|recipes)/[\w/.]*)`", PAGE))
    named |= set(re.findall(r"\]\(([\w/.]+)\)", PAGE))
    assert len(named) >= 12
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_version_is_the_same_wherever_a_release_raises_it():
    found = {
        re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1],
        re.search(r"^version: (.+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1],
    }
    assert found == {__version__}


def test_a_format_is_one_file_and_a_line(project, monkeypatch):
    """The file, and the line in FORMATS; then it is exported and read back."""
    process = [*project.settings["process"], "light_conversation_mapper"]
    project.write_recipe(process=process)
    project.finish()
    module = types.ModuleType("imgdiff.export.plain")
    exec(FORMAT, vars(module))
    monkeypatch.setitem(sys.modules, "imgdiff.export.plain", module)
    monkeypatch.setitem(FORMATS, "plain", "Plain")
    assert main(["export", str(project.run_path), "--format", "plain"]) == COMPLETE
    written = json.loads((project.run_path / "export" / "plain" / "train.json").read_text())
    kept = sum(len(row.kept_regions) for row in project.rows() if row.ok)
    assert len(written) == kept > 0


def test_a_model_family_is_one_file_and_a_line(project, tmp_path, monkeypatch):
    """The file, and the line in FAMILIES; then a recipe binds a checkpoint of its kind."""
    module = types.ModuleType("imgdiff.models.families.grey")
    exec(MODEL_FAMILY, vars(module))
    monkeypatch.setitem(sys.modules, "imgdiff.models.families.grey", module)
    line = families.Family("clip", "grey", ("grey_levels",), "grey:Grey")
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, line))
    (tmp_path / "config.json").write_text('{"model_type": "grey_levels"}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    scored = {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}}
    project.write_recipe(
        process=[*project.settings["process"][:2], scored], models={"clip": str(tmp_path)}
    )
    project.finish()
    scores = [row.scores["image_pair_similarity"] for row in project.rows()]
    assert scores
    assert set(scores) == {1.0}


def test_a_verb_is_one_file_and_a_line(monkeypatch, capsys):
    module = types.ModuleType("imgdiff.cli.hail")
    module.parse = lambda arguments: cli.verb_parser("hail").parse_args(arguments)
    module.call = lambda given: print("hail to you") or 0
    monkeypatch.setitem(sys.modules, "imgdiff.cli.hail", module)
    monkeypatch.setitem(cli.VERBS, "hail", "greet")
    assert main(["hail"]) == 0
    assert capsys.readouterr().out == "hail to you\n"


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_a_package_of_two_modules(method):
    assert getattr(method_module(method, "recipe"), METHODS[method]).model_fields
    assert (ROOT / "imgdiff" / "training" / method / "train.py").exists()
