"""Whoever reads a recipe or a page finds the licence of every model that it names."""

import re
from pathlib import Path

import pytest
import yaml
from named_models import LISTED, NAME, PAGES, RECIPES, in_settings, in_text

from imgdiff.export import licences


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_model_that_a_recipe_binds_is_listed(recipe):
    assert in_settings(yaml.safe_load(recipe.read_text())) - LISTED["models"].keys() == set()


def test_the_names_in_a_recipe_are_found():
    settings = {"models": {"clip": "a/b", "mllm": {"name": "c/d", "dtype": "float16"}}}
    assert in_settings(settings) == {"a/b", "c/d"}
    assert in_settings({"models": "embedded"}) == set()
    assert in_settings({"model": {"name": "e/f"}}) == {"e/f"}
    assert in_settings({"model": "embedded"}) == set()


@pytest.mark.parametrize("page", [*PAGES, *RECIPES], ids=lambda path: path.stem)
def test_every_model_that_a_page_names_is_listed(page):
    assert in_text(page.read_text()) - LISTED["models"].keys() == set()


def test_the_names_in_a_page_are_found():
    assert in_text("models: {clip: {name: new-owner/b, revision: 1}}") == {"new-owner/b"}
    assert in_text("imgdiff evaluate ohd --model new/siglip-base") == {"new/siglip-base"}
    assert in_text("'models.clip=new/c' and https://github.com/Qwen/d") == {"new/c"}
    assert in_text("`Qwen/new`, export/llava, name: owner/name") == {"Qwen/new"}


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
