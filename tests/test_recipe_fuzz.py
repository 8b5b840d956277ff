"""Any YAML gives a list of problems or a plan, and what is accepted runs: no traceback, ever."""

import json
import random
import time
from pathlib import Path

import pytest
import recipe_fuzz
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recipe_fuzz_parts import outcomes
from recipe_fuzz_parts.mutants import mutant

from imgdiff.cli import main

FEW = settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEYS = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats())
TREES = st.recursive(
    st.one_of(KEYS, st.binary(max_size=8), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@pytest.fixture
def fuzz(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return recipe_fuzz.Fuzz()


@pytest.mark.parametrize("kind", recipe_fuzz.TRIED)
@given(source=st.randoms(use_true_random=False))
@FEW
def test_mutants(fuzz, kind, source):
    outcome, text = fuzz.try_one(kind, source)
    assert outcome.what != outcomes.CRASHED, f"{outcome.text}\n{text[:2000]!r}"


@pytest.mark.parametrize("method", [None, "efuf", "finetune", "ohd_clip", "seed"])
@given(tree=TREES)
@FEW
def test_any_yaml(tmp_path, method, tree):
    made = {"method": method, "data": tree, "model": tree} if method else tree
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(made, allow_unicode=False))
    check = outcomes.trained if method else outcomes.checked
    assert check(path).what != outcomes.CRASHED


@given(raw=st.binary(max_size=200))
@FEW
def test_any_bytes(tmp_path, raw):
    path = tmp_path / "any.yaml"
    path.write_bytes(raw)
    assert outcomes.checked(path).what == outcomes.REFUSED
    assert outcomes.trained(path).what == outcomes.REFUSED


def test_unchanged_they_are_accepted(fuzz, tmp_path):
    """Else every mutant would be refused for the same reason."""
    path = tmp_path / recipe_fuzz.RECIPE
    for base in recipe_fuzz.recipes(recipe_fuzz.ROOT / "recipes"):
        path.write_text(yaml.safe_dump(base))
        assert outcomes.checked(path).what == outcomes.ACCEPTED, base["project_name"]
    for base in recipe_fuzz.recipes(recipe_fuzz.ROOT / "recipes/train"):
        path.write_text(yaml.safe_dump(base))
        assert outcomes.trained(path).what == outcomes.ACCEPTED, base["project_name"]
    path.write_text(yaml.safe_dump(recipe_fuzz.LIGHT))
    assert outcomes.run(path, [path.name, "captions.jsonl"]).what == outcomes.RUN
    fuzz.write()
    assert outcomes.called(recipe_fuzz.EVALUATE).what == outcomes.RUN


def test_a_crash_is_seen(fuzz, monkeypatch):
    monkeypatch.setattr(outcomes, "check", lambda path: {}["nothing"])
    path = Path(recipe_fuzz.RECIPE)
    path.write_bytes(mutant(random.Random(0), recipe_fuzz.LIGHT))
    outcome = outcomes.checked(path)
    assert outcome.what == outcomes.CRASHED
    assert "KeyError" in outcome.text


CASES = [
    ('seed: "\\ud800"', "seed: holds a character that no text has"),
    ('project_name: "a\\0b"', "project_name: holds a character that no text has"),
    (f"dataset_path: {'x' * 5000}", "no such file or folder"),
    ("dataset_path: ~nobody/x", "no such file or folder"),
    (f"export_path: {'x' * 300}", "300 characters are too many for the name of a folder"),
    (f"models: {{clip: {'x/' * 4000}}}", "is neither a folder nor a Hub name"),
    (f"operators: [{'x' * 5000}]", "no such file"),
    (f"process: [{'y' * 5000}]", "unknown operator"),
]


@pytest.mark.parametrize(("line", "words"), CASES)
def test_what_cannot_be_a_name(project, capsys, line, words):
    recipe = {**project.settings, "process": ["image_pair_similarity_filter"]}
    recipe.pop(line.partition(":")[0], None)
    project.write_recipe(yaml.safe_dump(recipe) + line)
    assert main(["check", "mine.yaml"]) == 2
    assert words in capsys.readouterr().err


def test_a_model_that_is_a_whole_disk_is_not_searched(project, capsys):
    project.write_recipe(process=["image_pair_similarity_filter"], models={"clip": "/"})
    began = time.process_time()
    assert main(["check", "mine.yaml"]) == 2
    assert "no safetensors weights in /" in capsys.readouterr().err
    assert time.process_time() - began < 10


def test_the_benchmark_says_what_was_tried(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipe_fuzz, "TRIED", {"light": 100, "evaluate": 100})
    figures = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["recipe_fuzz.py", "--quick", "--json", str(figures)])
    assert recipe_fuzz.main() == 0
    assert json.loads(figures.read_text()).items() >= {"tried": 4, "crashed": 0}.items()


@pytest.mark.parametrize("flag", ["--limit", "--batch-size", "--max-new-tokens", "--count"])
@pytest.mark.parametrize("number", ["0", "-1", "1" + "0" * 30, "a"])
def test_numbers_of_evaluate_are_bounded(fuzz, capsys, flag, number):
    with pytest.raises(SystemExit) as end:
        main([*recipe_fuzz.EVALUATE, flag, number])
    assert end.value.code == 2
    assert f"argument {flag}: " in capsys.readouterr().err


def test_an_evaluation_without_questions_is_refused(fuzz, capsys):
    Path(recipe_fuzz.SETTINGS).write_text("")
    assert main(recipe_fuzz.EVALUATE) == 2
    assert "there is nothing to score" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--answers", "--questions", "--json"])
@pytest.mark.parametrize("name", ["", ".", "x" * 300, "captions.jsonl/a"])
def test_files_of_evaluate_that_are_none_are_refused(fuzz, capsys, flag, name):
    assert main([*recipe_fuzz.EVALUATE, flag, name]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_questions_that_are_no_text_are_refused(fuzz, capsys):
    Path(recipe_fuzz.SETTINGS).write_bytes(b"\xff\xfe\x00")
    assert main(recipe_fuzz.EVALUATE) == 2
    assert "not a text file" in capsys.readouterr().err
