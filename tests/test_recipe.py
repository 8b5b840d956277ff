import shutil
from pathlib import Path

import pytest

from imgdiff.errors import RefusedError
from imgdiff.models.zoo import bind
from imgdiff.recipe.check import check
from imgdiff.recipe.source import MAX_BYTES, RecipeError, find_recipe, read_source


def params(plan, name):
    (operator,) = (each for each in plan.operators if each.name == name)
    return operator.params


def test_a_recipe_becomes_a_plan_with_every_setting(project):
    plan = check("mine.yaml")
    assert [operator.name for operator in plan.operators] == [
        "light_edit_mapper",
        "light_image_mapper",
        "light_length_filter",
        "light_area_mapper",
        "light_area_filter",
    ]
    assert plan.recipe.seed == 42
    assert plan.recipe.process[2] == {
        "light_length_filter": {"batch_size": 16, "min_score": 0.15, "max_score": 1.0}
    }
    assert plan.needed == {"caption_a"}
    assert plan.made == {"caption_b", "image_a", "image_b", "regions"}


@pytest.mark.parametrize(
    ("override", "name", "setting", "value"),
    [
        ("process.0.suffix=x", "light_edit_mapper", "suffix", "x"),
        ("process[0].suffix=x", "light_edit_mapper", "suffix", "x"),
        ("process[0].light_edit_mapper.suffix=x", "light_edit_mapper", "suffix", "x"),
        ("process.light_edit_mapper.suffix=x", "light_edit_mapper", "suffix", "x"),
        ("light_edit_mapper.suffix=x", "light_edit_mapper", "suffix", "x"),
        ("light_image_mapper.batch_size=3", "light_image_mapper", "batch_size", 3),
        ("light_area_filter.min_score=0.3", "light_area_filter", "min_score", 0.3),
        ("process.3.light_area_filter.min_score=0.3", "light_area_filter", "min_score", 0.3),
        ("light_areas.light_area_filter.min_score=0.3", "light_area_filter", "min_score", 0.3),
        ("light_area_mapper.batch_size=3", "light_area_mapper", "batch_size", 3),
    ],
)
def test_settings_of_operators_are_overridden(project, override, name, setting, value):
    assert getattr(params(check("mine.yaml", [override]), name), setting) == value


def test_one_model_of_a_named_set_is_overridden(project, tmp_path):
    source = read_source(find_recipe("mine.yaml"), [f"models.clip={tmp_path}"])
    models = bind(source.data["models"])
    assert models["clip"].name == str(tmp_path)
    assert models["mllm"] == bind("embedded")["mllm"]


def test_settings_of_the_recipe_are_overridden(project):
    recipe = check("mine.yaml", ["limit=12", "limits.max_failed_fraction=0.5"]).recipe
    assert (recipe.limit, recipe.limits.max_failed_fraction) == (12, 0.5)
    assert recipe.limits.max_pixels == 40_000_000


@pytest.mark.parametrize("override", ["export.formats.1=trl", "export.formats[1]=trl"])
def test_an_entry_of_a_list_is_overridden(project, override):
    project.settings["process"].append("light_conversation_mapper")
    project.write_recipe(export={"formats": ["llava", "webdataset"]})
    assert check("mine.yaml", [override]).recipe.export.formats == ["llava", "trl"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("limt=12", "command line, limt: no such setting, and no such operator in process."),
        ("limt=12", "Did you mean limit?"),
        ("light_edit_maper.suffix=x", "Did you mean light_edit_mapper?"),
        ("process.9.suffix=x", "command line, process.9.suffix: no such setting"),
        ("limit", "command line, limit: expected key=value"),
        ("a..b=1", "command line, a..b=1: expected key=value"),
        ("limit=[", "command line, limit=[: expected key=value"),
        ("@none.txt", "command line, @none.txt: No such file or directory"),
        ("@.", "command line, @.: Is a directory"),
        ("seed.x=1", "command line, seed: {'x': 1} is a mapping, expected a whole number."),
        (
            "dataset_path.x=1",
            "command line, dataset_path.x: dataset_path has no settings of its own",
        ),
        ("operators.0=1", "command line, operators[0]: 1 is a number, expected text."),
        (
            "operators.1=x.py",
            "command line, operators[1]: no such entry. operators has 1, numbered from 0",
        ),
        (
            "operators.x=1",
            "command line, operators.x: no such entry. operators has 1, numbered from 0",
        ),
        ("process.0.1=x", "command line, process[0].light_edit_mapper.1: unknown setting."),
        ("limit=0", "command line, limit: 0 is below 1"),
        (
            "light_edit_mapper.sufix=x",
            "command line, process[0].light_edit_mapper.sufix: unknown setting. "
            "Did you mean suffix?",
        ),
    ],
)
def test_overrides_that_cannot_be_are_reported(project, override, message):
    with pytest.raises(RecipeError) as error:
        check("mine.yaml", [override])
    assert message in str(error.value)


def test_overrides_of_a_file_stand_one_a_line(project):
    text = "# what was found\n\nlimit=12\n  light_edit_mapper.suffix=x \n"
    Path("found.txt").write_text(text)
    plan = check("mine.yaml", ["limit=9", "@found.txt", "seed=3"])
    assert (plan.recipe.limit, plan.recipe.seed) == (12, 3)
    assert params(plan, "light_edit_mapper").suffix == "x"
    assert check("mine.yaml", ["@found.txt", "limit=9"]).recipe.limit == 9
    Path("found.txt").write_text("limt=12\n")
    with pytest.raises(RecipeError, match="limt: no such setting"):
        check("mine.yaml", ["@found.txt"])
    Path("found.txt").write_bytes(b"limit=1\xff2\n")
    with pytest.raises(RecipeError, match=r"@found\.txt: not a text file"):
        check("mine.yaml", ["@found.txt"])


def test_operators_may_be_overridden_before_their_settings(project):
    files = project.settings["operators"]
    project.write_recipe(operators=[])
    plan = check("mine.yaml", ["light_edit_mapper.suffix=x", f"operators={files}"])
    assert params(plan, "light_edit_mapper").suffix == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nlimit: 2\nseed: 3\n", "line 3, seed: given twice, first on line 1"),
        ("process:\n  - x:\n      a: 1\n      a: 2\n", "line 4, process[0].x.a: given twice"),
        ("seed: [1\nlimit: 2\n", "line 2: not valid YAML: "),
        ("a: &x 1\nb: *x\n", "line 2: not valid YAML: aliases (*name) are not allowed"),
        ("seed: !!python/object:os.system 1\n", "line 1: not valid YAML: could not determine"),
        ("seed: 2024-13-45\n", "line 1: not valid YAML: month must be in 1..12"),
        ("seed: \x01\n", "line 1: not valid YAML: "),
        ("- seed\n", "line 1: a recipe is a mapping of settings"),
        ("a: " + "[" * 5000, "line 1: not valid YAML: "),
        ("# " + "x" * MAX_BYTES, "line 1: a recipe has at most 256 kB"),
    ],
)
def test_text_that_is_no_recipe_is_refused_with_its_line(project, text, message):
    with pytest.raises(RecipeError) as error:
        read_source(project.write_recipe(text))
    assert str(error.value).startswith("mine.yaml: 1 problem\n  ")
    assert message in str(error.value)


def test_an_absent_recipe_is_named(project):
    with pytest.raises(RefusedError, match=r"recipes/none\.yaml: no such recipe"):
        find_recipe("recipes/none.yaml")


@pytest.fixture
def installed(project, monkeypatch):
    """The recipe and its data as if they came with the package, in `site/imgdiff/recipes`."""
    package = project.folder / "site" / "imgdiff"
    (package / "recipes" / "data").mkdir(parents=True)
    project.write_recipe(dataset_path="recipes/data/captions.jsonl")
    project.folder.joinpath("mine.yaml").rename(package / "recipes" / "mine.yaml")
    project.folder.joinpath("captions.jsonl").rename(
        package / "recipes" / "data" / "captions.jsonl"
    )
    monkeypatch.setattr("importlib.resources.files", {"imgdiff": package}.get)
    return package


def test_recipes_that_are_installed_are_found_with_their_data(installed):
    plan = check("recipes/mine.yaml")
    assert plan.path == installed / "recipes" / "mine.yaml"
    assert plan.dataset.place == installed / "recipes" / "data" / "captions.jsonl"


def test_operator_files_may_lie_beside_the_recipe(project):
    folder = project.folder / "recipes"
    folder.mkdir()
    shutil.copy(project.settings["operators"][0], folder / "light_operators.py")
    path = project.write_recipe(operators=["light_operators.py"]).rename(folder / "mine.yaml")
    assert len(check(path).operators) == 5
