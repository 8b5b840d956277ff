"""The one table of fields: what follows from it, and fields that operators of one's own declare."""

import dataclasses
import re
from pathlib import Path

import datasets
import numpy as np
import pytest

from imgdiff import run
from imgdiff.data.fields import FIELDS, TABLE, TEXT, Field, in_order
from imgdiff.data.rows import Region, Row, features
from imgdiff.export.tables import tables
from imgdiff.recipe.check import check
from imgdiff.recipe.source import RecipeError

OWN_FIELDS = Path(__file__).parent / "own_fields.py"
FILES = {
    "id": "string",
    "seed": "int64",
    "status": "string",
    "reason": "string",
    "message": "string",
    "scores": "struct<alike: double>",
    "caption_a": "string",
    "caption_b": "string",
    "edit": "struct<kind: string, source: string, target: string>",
    "image_a": "struct<bytes: binary, path: string>",
    "image_b": "struct<bytes: binary, path: string>",
    "prompt": "string",
    "phrases": "list<item: struct<text: string, start: int32, end: int32, score: float, "
    "set: string>>",
    "sentence_set": "string",
    "objects": "list<item: string>",
    "negatives": "list<item: struct<caption: string, family: string, objects: list<item: string>>>",
    "hash_a": "string",
    "hash_b": "string",
    "editing": "struct<mode: string, candidate: int32, candidate_scores: list<item: float>>",
    "regions": "list<item: struct<box_xyxy: fixed_size_list<item: float>[4], source: string, "
    "mask: struct<size: list<item: int32>, counts: list<item: int32>>, "
    "scores: struct<none: double>, status: string, reason: string, caption_a: string, "
    "caption_b: string, difference: string, left: string, "
    "conversations: list<item: struct<from: string, value: string>>>>",
}


class TestTable:
    def test_files_have_the_columns_of_all_runs_so_far(self):
        """Another order or type here means that no earlier run can be gone on with."""
        columns = [name for name in FIELDS if "." not in name]
        schema = features(columns, ["alike"], []).arrow_schema
        assert {column.name: str(column.type) for column in schema} == FILES

    def test_a_region_has_a_place_for_every_field(self):
        attributes = {field.name for field in dataclasses.fields(Region)}
        assert attributes - {"values"} == {field.column for field in TABLE if field.of_region}

    def test_a_row_has_a_place_for_what_the_engine_gives(self):
        attributes = {field.name for field in dataclasses.fields(Row)}
        given = {field.name for field in TABLE if field.given_by == "engine" if not field.of_region}
        assert attributes - {"values", "regions"} == given

    def test_names_are_ordered_as_in_files_and_own_ones_come_last(self):
        assert in_order(["mood", "regions", "caption_a", "art"]) == [
            *("caption_a", "regions"),
            *("art", "mood"),
        ]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"name": "Mood"}, "Mood: expected small letters"),
            ({"name": "a.mood"}, "a.mood: expected small letters"),
            ({"kind": "text"}, "mood: text is no kind, expected string, image"),
            ({"kind": []}, "mood: [] is no kind"),
            ({"kind": {}}, "mood: {} is no kind"),
            ({"kind": {"a": [str]}}, "is no kind"),
            ({"kind": [{"a": TEXT}], "given_by": "input"}, "mood: an input cannot give it"),
            ({"name": "regions.mood", "given_by": "input"}, "regions.mood: an input cannot give"),
        ],
    )
    def test_what_is_no_field(self, wrong, message):
        given = {"name": "mood", "kind": TEXT, "meaning": "how it looks"} | wrong
        with pytest.raises(ValueError, match=re.escape(message)):
            Field(**given)


@pytest.fixture
def own(project):
    """A project whose first operators declare fields."""
    lines = [{"id": f"cap-{k}", "caption": "a red ball", "topic": f"toys {k}"} for k in range(12)]
    lines[3]["topic"], lines[4]["topic"] = 7, " "
    project.write_captions(lines)
    project.settings |= {
        "operators": [*project.settings["operators"], str(OWN_FIELDS)],
        "process": [
            "light_area_mapper",
            "own_fields_mapper",
            {"light_area_filter": {"min_score": 0.1}},
            "own_reading_mapper",
            "light_image_mapper",
        ],
        "limits": {"max_failed_fraction": 1.0},
    }
    project.write_recipe()
    return project


def loaded(project, folder, config):
    path = str(project.run_path / folder)
    return datasets.load_dataset(path, config, split="train", cache_dir=str(project.folder / "c"))


def test_own_fields_are_stored_exported_and_described(own):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    row = own.rows()[0]
    assert (row["topic"], row["weight"], row["word_count"]) == ("toys 0", 1.5, 3)
    assert row["tags"] == ["a", "red", "ball"]
    assert row["places"][1] == {"word": "red", "place": 1}
    assert [region.values.get("size") for region in row.regions] == ["small", "small", "large"]
    assert row["caption_b"] == "toys 0: a red ball small large"  # read by another operator
    pairs, samples = (loaded(own, "data", config) for config in ("pairs", "samples"))
    assert pairs.features["weight"] == datasets.Value("float64")
    assert pairs.features["sketch"] == datasets.Image()
    assert np.asarray(pairs[0]["sketch"]).mean() == 3
    assert pairs[0]["places"] == row["places"]
    assert pairs[0]["regions"][0]["size"] == "small"
    assert samples["size"][:2] == ["small", "large"]
    assert np.asarray(samples[1]["crop"]).mean() == 2
    assert loaded(own, "dropped", "regions")["size"][0] == "small"
    card = (own.run_path / "data" / "README.md").read_text()
    assert "| `weight` | half of the caption's words |" in card
    assert "| `size` | small or large |" in card
    page = next(own.run_path.glob("report/cap-0-*.html")).read_text()
    assert "<dt>Topic</dt><dd>toys 0</dd>" in page
    assert "<b>size</b> large" in page


def test_an_input_gives_own_fields_that_are_checked(own):
    own.write_recipe(columns={"topic": "topic"})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = {row.id: row for row in own.rows()}
    assert rows["cap-3"].reason == "input: topic_type"
    assert rows["cap-3"].message.endswith("topic is a number, expected text")
    assert rows["cap-4"].reason == "input: topic_empty"
    dropped = loaded(own, "dropped", "pairs")
    assert set(dropped["id"]) == {"cap-3", "cap-4"}


def test_own_fields_outlive_the_operators_file(own, capsys):
    """What a run holds says itself what it is."""
    operators = own.folder / OWN_FIELDS.name
    operators.write_text(OWN_FIELDS.read_text())
    lights = own.settings["operators"][0]
    own.write_recipe(operators=[lights, str(operators)])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    operators.unlink()
    made = {(table.folder, table.config): table for table in tables(own.open().info)}
    assert made["data", "pairs"].meanings["weight"] == "half of the caption's words"
    from imgdiff.cli.export import call, parse

    assert call(parse([str(own.run_path), "--format", "parquet"])) == 0
    exported = str(own.run_path / "export" / "parquet")
    assert datasets.load_dataset(exported, "samples", split="train")["size"][:1] == ["small"]


def test_moved_thresholds_keep_own_fields(own):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    own.settings["process"][2] = {"light_area_filter": {"min_score": 0.2}}
    own.write_recipe()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    moved = own.rows()
    assert run.main(["mine.yaml", "export_path=outputs/afresh"]) == run.COMPLETE
    own.run_path = Path("outputs/afresh")
    assert own.rows() == moved
    assert moved[0].regions[2]["size"] == "large"


def test_another_kind_of_an_own_field_is_made_anew(own):
    operators = own.folder / OWN_FIELDS.name
    text = OWN_FIELDS.read_text()
    operators.write_text(text)
    lights = own.settings["operators"][0]
    own.write_recipe(operators=[lights, str(operators)])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    operators.write_text(text.replace('Field("weight", NUMBER', 'Field("weight", "float32"'))
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert loaded(own, "data", "pairs").features["weight"] == datasets.Value("float32")


def test_a_region_keeps_nothing_undeclared(own):
    own.settings["process"].insert(3, "own_undeclared_mapper")
    own.write_recipe()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    messages = {row.message for row in own.rows() if row.reason.startswith("own_undeclared")}
    assert messages == {"ValueError: wrote regions.colour, which it does not declare"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("topic", "topic is a mapping ({'a': 1}), expected text"),
        ("weight", "weight is a mapping ({'a': 1}), expected a number"),
        ("word_count", "word_count is a mapping ({'a': 1}), expected a whole number of 64 bits"),
        ("tags", "tags is a mapping ({'a': 1}), expected a list"),
        ("places", "places is a mapping ({'a': 1}), expected a list"),
        ("regions.size", "regions[0].size is a mapping ({'a': 1}), expected text"),
    ],
)
def test_a_value_of_another_kind_costs_its_row(own, name, message):
    own.settings["process"][1] = {"own_fields_mapper": {"wrong": f"{name} cap-2"}}
    own.write_recipe()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = {row.id: row for row in own.rows()}
    assert rows["cap-2"].message == f"TypeError: {message}"
    assert sum(row.status == "ok" for row in rows.values()) == 9


def test_clashing_fields_are_problems_of_the_recipe(own):
    own.settings["process"][3] = "own_clash_mapper"
    own.write_recipe()
    with pytest.raises(RecipeError) as refused:
        check("mine.yaml")
    text = str(refused.value)
    assert "declares difference, which is taken. Give it another name." in text
    assert "declares tags in another way than own_fields_mapper." in text


def test_a_field_that_nobody_declares_is_no_field(own):
    own.settings["process"] = ["own_reading_mapper"]
    own.write_recipe()
    with pytest.raises(RecipeError, match="tags is no field of a row"):
        check("mine.yaml")


def test_an_own_field_without_a_maker_is_missed(own):
    own.write_captions([{"caption": "a red ball"}])
    with pytest.raises(RecipeError, match="needs topic, which nothing before it makes"):
        check("mine.yaml")


def test_selectors_read_no_own_pictures(own):
    own.settings["process"].append("light_repeat_selector")
    own.write_recipe()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert "sketch" in own.rows()[0].values


def test_numbers_of_a_csv_file_are_read_as_numbers(own):
    lines = ["id,caption,topic,stars", "a,a red ball,toys,4", "b,a red ball,toys,many"]
    Path("captions.csv").write_text("\n".join([*lines, "c,a red ball,toys,"]) + "\n")
    own.write_recipe(dataset_path="captions.csv")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    first, second, third = own.rows()
    assert (first["stars"], third.values.get("stars")) == (4, None)
    assert second.message == "captions.csv:3: stars is text, expected a whole number"
    assert loaded(own, "data", "pairs")["stars"] == [4, None]
