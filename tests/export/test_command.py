"""Exports as a user asks for them: in a recipe, and of a finished run."""

import json
from pathlib import Path

import pytest

from imgdiff import cli, run
from imgdiff.export.formats import FORMATS
from imgdiff.recipe.check import check
from imgdiff.recipe.source import RecipeError

RUN, SAMPLES = "outputs/try", 173


@pytest.fixture
def talking(project):
    """A recipe whose regions have conversations."""
    project.settings["process"].append("light_conversation_mapper")
    project.write_recipe()
    return project


@pytest.fixture
def finished(talking):
    talking.finish()
    return talking


def table(output):
    """Format -> the other cells of its line."""
    lines = (line.split() for line in output.splitlines())
    return {words[0]: words[1:] for words in lines if words and words[0] in FORMATS}


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*")}


def sample_ids(path):
    return [record["id"] for record in json.loads(Path(path).read_text())]


def test_a_recipe_names_the_formats_of_its_run(talking, capsys):
    talking.write_recipe(export={"formats": ["parquet", "llava"], "validation_fraction": 0.3})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    printed = table(capsys.readouterr().out)
    assert list(printed) == ["llava"]  # parquet is `data/`
    train, validation, images, _, folder = printed["llava"]
    assert int(train) + int(validation) == int(images) == SAMPLES
    assert folder == f"{RUN}/export/llava"
    assert len(sample_ids(f"{folder}/validation.json")) == int(validation) > 0
    assert list(Path(RUN, "data", "pairs").glob("validation-*.parquet"))


def test_a_complete_run_takes_other_formats_without_working_again(finished, capsys):
    stages = files(f"{RUN}/stages")
    assert run.main(["mine.yaml", "export.formats=[trl]"]) == run.COMPLETE
    assert run.main(["mine.yaml", "export.formats=[webdataset]"]) == run.COMPLETE
    assert files(f"{RUN}/stages") == stages
    assert {path.name for path in Path(RUN, "export").iterdir()} == {"trl", "webdataset"}
    assert finished.open().info.formats == ("webdataset",)


def test_a_finished_run_is_exported_in_every_format(finished, capsys):
    before = files(RUN)
    chosen = [argument for name in FORMATS for argument in ("--format", name)]
    assert cli.main(["export", RUN, *chosen, "--output", "out"]) == run.COMPLETE
    printed = table(capsys.readouterr().out)
    assert [(cells[0], cells[1]) for cells in printed.values()] == [(str(SAMPLES), "0")] * 8
    assert files(RUN) == before
    assert cli.main(["export", RUN, "--format", "llava"]) == run.COMPLETE
    assert sample_ids(f"{RUN}/export/llava/train.json") == sample_ids("out/llava/train.json")


def test_the_split_of_an_export_is_the_recipes_unless_given(talking, capsys):
    talking.write_recipe(export={"validation_fraction": 0.3})
    run.main(["mine.yaml"])
    cli.main(["export", RUN, "--format", "llava", "--output", "recipe"])
    cli.main(["export", RUN, "--format", "llava", "--output", "none", "--validation-fraction", "0"])
    assert Path("recipe/llava/validation.json").exists()
    assert not Path("none/llava/validation.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--format", "llava"], "nowhere is no run folder: there is no run.json that"),
        ([RUN, "--format", "lava"], "--format: lava is not one of parquet, llava, "),
        ([RUN, "--format", "lava"], "Did you mean llava?"),
        ([RUN, "--format", "ms-swift"], "Did you mean ms_swift?"),
        (
            [RUN, "--format", "trl", "--validation-fraction", "0.6"],
            "--validation-fraction: 0.6 is not 0 to 0.5",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(project, capsys, arguments, message):
    assert cli.main(["export", *arguments]) == run.REFUSED
    assert message in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_refused(finished, capsys):
    next(Path(RUN, "stages").rglob("00002.json")).unlink()
    assert cli.main(["export", RUN, "--format", "llava"]) == run.REFUSED
    message = r"outputs/try: 2 of 8 shards are missing. Run its recipe again to finish it."
    assert message in capsys.readouterr().err
    assert not Path(RUN, "export").exists()


def test_a_run_without_conversations_is_refused(project, capsys):
    run.main(["mine.yaml"])
    assert cli.main(["export", RUN, "--format", "llava"]) == run.REFUSED
    assert capsys.readouterr().err == (
        "outputs/try: nothing to write as llava: no kept region has a conversation, "
        "which conversation_mapper writes\n"
    )


def test_a_run_that_keeps_no_sample_still_finishes(talking):
    talking.write_recipe(export={"formats": ["llava"]})
    assert run.main(["mine.yaml", "light_length_filter.min_score=0.9"]) == run.COMPLETE


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ({"formats": ["lava"]}, "export.formats[0]: lava is not one of parquet, llava, "),
        ({"formats": ["parquet", "trll"]}, "export.formats[1]: trll is not one of parquet"),
        ({"formats": ["lava"]}, "Did you mean llava?"),
        ({"formats": "llava"}, 'export.formats: "llava" is text, expected a list.'),
        ({"formats": [1]}, "export.formats[0]: 1 is a number, expected text."),
        ({"format": []}, "export.format: unknown setting. Did you mean formats?"),
        ({"validation_fraction": 0.6}, "export.validation_fraction: 0.6 is above 0.5"),
    ],
)
def test_problems_of_the_section_are_reported(talking, export, message):
    talking.write_recipe(export=export)
    with pytest.raises(RecipeError) as error:
        check("mine.yaml")
    assert message in str(error.value)


def test_a_format_needs_conversations(project):
    project.write_recipe(export={"formats": ["parquet", "llava"]})
    with pytest.raises(RecipeError) as error:
        check("mine.yaml")
    assert len(error.value.problems) == 1
    assert "llava needs regions.conversations, which nothing makes. Made by: " in str(error.value)
