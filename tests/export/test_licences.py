"""Whoever reads a recipe or a page finds the licence of every model that it names."""

import re
from pathlib import Path

import pytest
import yaml

from imgdiff.export import licences

ROOT = Path(__file__).parents[2]
LISTED = yaml.safe_load(Path(licences.__file__).with_suffix(".yaml").read_text())
NAME = r"[\w-]+/[\w.-]*\w"
OWNERS = {name.partition("/")[0] for name in LISTED["models"]}
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def bound_names(settings) -> set[str]:
    """Hub names in the models: or model: of a recipe, as names or with settings."""
    found = set()
    for key, value in settings.items():
        each = value if isinstance(value, dict) else {key: value}
        if key == "models" or (key == "model" and isinstance(value, dict)):
            given = each.values() if key == "models" else [each]
            found |= {one.get("name", "") if isinstance(one, dict) else one for one in given}
        elif key == "model":
            found.add(value)
    return {name for name in found if re.fullmatch(NAME, name) and not (ROOT / name).exists()}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_model_that_a_recipe_binds_is_listed(recipe):
    text = recipe.read_text()
    in_comments = set(re.findall(rf"\bname: ({NAME})", text))
    assert (bound_names(yaml.safe_load(text)) | in_comments) - LISTED["models"].keys() == set()


def test_the_names_in_a_recipe_are_found():
    settings = {"models": {"clip": "a/b", "mllm": {"name": "c/d", "dtype": "float16"}}}
    assert bound_names(settings) == {"a/b", "c/d"}
    assert bound_names({"models": "embedded"}) == set()
    assert bound_names({"model": {"name": "e/f"}}) == {"e/f"}
    assert bound_names({"model": "embedded"}) == set()


@pytest.mark.parametrize("page", [*PAGES, *RECIPES], ids=lambda path: path.stem)
def test_every_model_that_a_page_names_is_listed(page):
    """By the owners of the models that are listed; in links to GitHub they own repositories."""
    text = re.sub(r"https?://\S+", "", page.read_text())
    named = {name for name in re.findall(NAME, text) if name.partition("/")[0] in OWNERS}
    assert named - LISTED["models"].keys() == set()


def test_every_line_says_its_source():
    lines = Path(licences.__file__).with_suffix(".yaml").read_text().splitlines()
    models = [line for line in lines if re.match(rf"  {NAME}: ", line)]
    assert len(models) == len(LISTED["models"])
    assert [line for line in models if "  # " not in line] == []


def test_whatever_is_not_as_free_as_apache_is_told_in_plain_words():
    free = {"apache-2.0", "mit", "bsd-3-clause"}
    assert set(LISTED["models"].values()) - free == LISTED["meanings"].keys()
    told = {name: licences.licence_of(name) for name in LISTED["models"]}
    assert "not for commercial use" in told["stabilityai/sdxl-turbo"]
    assert "improve other language models" in told["llava-hf/llava-1.5-7b-hf"]
    assert told["Qwen/Qwen3-VL-8B-Instruct"] == "apache-2.0"
