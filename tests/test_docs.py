"""What the documents show works."""

import json
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml

from imgdiff import run
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, bind
from imgdiff.operator import registry
from imgdiff.recipe.check import check
from imgdiff.recipe.schema import Decontaminate, Export, Limits, Recipe
from imgdiff.testing import make_row, run_operator

ROOT = Path(__file__).parents[1]
TOP = ("imgdiff", "operators", "recipes", "benchmarks", "docs", "tests")
ENDINGS = (".py", ".md", ".yaml", ".jinja", ".js")


def test_the_operator_of_ones_own_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    process = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "short_caption_filter.py").write_text(code)
    (tmp_path / "captions.jsonl").write_text('{"caption": "a red car"}\n')
    head = (
        f"project_name: mine\ndataset_path: {tmp_path}/captions.jsonl\nexport_path: {tmp_path}/o\n"
    )
    (tmp_path / "recipe.yaml").write_text(head + process)
    names = [operator.name for operator in check(tmp_path / "recipe.yaml").operators]
    assert names == ["short_caption_filter", "caption_edit_mapper"]
    rows = [make_row("a", caption_a="a red car"), make_row("b", caption_a="a " * 20)]
    short, long = run_operator(registry()["short_caption_filter"], rows, max_words=10)
    assert short.ok
    assert long.reason == "short_caption_filter: caption_long"


def test_the_bindings_of_the_page_on_models_are_right() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "models.md").read_text(), re.DOTALL)
    assert len(shown) > 3
    for text in shown:
        settings = yaml.safe_load(text)
        for binding in bind(settings.get("models", settings)).values():
            assert binding.problem() is None


def test_the_field_of_ones_own_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operators.md").read_text().partition("## Fields of one's own")[2]
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    process = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "caption_style_mapper.py").write_text(code)
    captions = ("a red car", "car, tree")
    lines = "".join(json.dumps({"caption": caption}) + "\n" for caption in captions)
    (tmp_path / "captions.jsonl").write_text(lines)
    head = f"project_name: mine\ndataset_path: {tmp_path}/captions.jsonl\n"
    (tmp_path / "recipe.yaml").write_text(f"{head}export_path: {tmp_path}/out\n{process}")
    assert run.main([str(tmp_path / "recipe.yaml")]) == run.COMPLETE
    data = tmp_path / "out" / "data"
    pairs = datasets.load_dataset(str(data), split="train", cache_dir=str(tmp_path / "cache"))
    assert pairs["caption_style"] == ["sentence", "list"]
    meaning = "| `caption_style` | sentence or list: how `caption_a` is written |"
    assert meaning in (data / "README.md").read_text()
    (first, *_) = (tmp_path / "out" / "report").glob("*.html")
    assert "<dt>Caption style</dt>" in first.read_text()


@pytest.mark.slow
def test_a_pair_is_edited_without_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "prompt-to-prompt.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert len(code.splitlines()) <= 15
    for there, here in (
        ("stabilityai/stable-diffusion-xl-base-1.0", str(EMBEDDED_WEIGHTS / "diffusion")),
        (', variant="fp16"', ""),
        ('"cuda"', '"cpu"'),
        ("a photo of a dog on a sofa", "a photo of a red car on the sand"),
        ("a photo of a cat on a sofa", "a photo of a red boat on the sand"),
        ("steps=50", "steps=2"),
    ):
        assert there in code
        code = code.replace(there, here)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "the page", "exec"), {})
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["a.png", "b.png"]


def test_nothing_installs_imgdiff_by_name() -> None:
    """On PyPI the name is another project's."""
    by_name = re.compile(
        r"""imgdiff\[|(?:install|add|uvx|pipx\s+run)(?:\s+-\S+)*\s+['"]?imgdiff\b(?!/)"""
        r"""|pip['"]?\s*:\s*\[[^]]*\bimgdiff\b"""
    )
    text_files = (path for top in TOP for path in (ROOT / top).rglob("*") if path.suffix in ENDINGS)
    others = ROOT / "tests" / "test_install_page.py"  # has examples of what is forbidden
    files = {*ROOT.glob("*.md"), *ROOT.glob(".ci/*"), *text_files} - {others}
    assert len(files) > 300
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        for match in by_name.finditer(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
def test_every_file_that_a_page_links_is_there(page: Path) -> None:
    links = re.findall(r"\]\(((?!https?:|#)[^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    listed = re.findall(r"[\w/-]+\.md", json.dumps(settings["nav"]))
    made = {"python.md"}  # of the notebook, when the site is built
    docs = ROOT / "docs"
    assert set(listed) == {str(path.relative_to(docs)) for path in docs.rglob("*.md")} | made
    assert len(listed) == len(set(listed))


def test_the_readme_is_short_and_shows_a_picture_first() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert text.index("![") < text.index("```")


def test_the_page_of_recipes_knows_every_key() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text().partition("## The sections")[2]
    listed = set(re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\|([^|]+)\|", page, re.M))))
    sections = {"limits": Limits, "export": Export, "decontaminate": Decontaminate}
    keys = {
        f"{name}.{inner}" if inner else name
        for name in Recipe.model_fields
        for inner in (sections[name].model_fields if name in sections else [""])
    }
    assert listed == keys


def test_the_page_of_operators_is_what_the_operators_say() -> None:
    """Else write it anew: python docs/site/operator_set.py"""
    script = ROOT / "docs" / "site" / "operator_set.py"
    code = f"import runpy; print(runpy.run_path({str(script)!r})['page'](), end='')"
    # in a process of its own: other tests register operators, too
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ROOT / "docs" / "operator-set.md").read_text() == told.stdout, told.stderr


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`(?:, `(test_\w+)`)?", page)
    assert named
    for file, *tests in named:
        text = (ROOT / "tests" / file).read_text()
        assert [name for name in tests if name and f"def {name}(" not in text] == []


def test_the_job_for_kubernetes_runs_a_recipe_that_is_fine() -> None:
    job = yaml.safe_load((ROOT / "docs" / "cluster" / "rayjob.yaml").read_text())
    program, recipe, *overrides = job["spec"]["entrypoint"].removeprefix("python -m ").split()
    assert program == "imgdiff.run"
    kept = [text for text in overrides if not text.startswith("dataset_path=")]
    assert check(ROOT / recipe, kept).recipe.executor_type == "ray"
