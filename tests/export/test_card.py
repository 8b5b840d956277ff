"""What the card says about models, recipe and limits, and its pictures."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from imgdiff import run
from imgdiff.data.images import RED, encode_png
from imgdiff.data.rows import Region
from imgdiff.export.card import public
from imgdiff.export.licences import UNKNOWN, licence_of
from imgdiff.export.pictures import EXAMPLES, SIDE, draw_histograms, draw_samples
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.statistics.histograms import histogram
from imgdiff.testing import make_row

DATA = Path("outputs/try/data")


def card() -> str:
    return (DATA / "README.md").read_text()


def head() -> dict:
    return yaml.safe_load(card().split("---\n")[1])


def test_the_head_is_what_the_hub_reads(project):
    project.finish()
    assert head()["license"] == "unknown"
    assert head()["size_categories"] == ["n<1K"]
    assert [config["data_files"] for config in head()["configs"]] == [
        "pairs/*.parquet",
        "samples/*.parquet",
    ]
    assert "No licence has been chosen." in card()


def test_the_licence_is_the_one_that_the_recipe_gives(project):
    run.main(["mine.yaml", "export.license=cc-by-4.0"])
    assert head()["license"] == "cc-by-4.0"
    assert "The licence of this dataset is cc-by-4.0." in card()


def test_the_card_counts_by_operator(project):
    project.finish()
    assert "| light\\_length\\_filter | rows | 30 | 22 | 8 caption\\_short |" in card()
    assert "| | regions | 195 | 173 | 22 width\\_out\\_of\\_range |" in card()


def test_the_recipe_is_shown_without_the_places_where_it_ran(project):
    run.main(["mine.yaml", f"dataset_path={project.folder}/captions.jsonl"])
    assert "    - light_length_filter:\n        batch_size: 16\n        min_score: 0.15\n" in card()
    assert "    dataset_path: captions.jsonl\n" in card()
    assert "export_path" not in card()
    assert str(project.folder) not in card()


def test_what_nobody_looked_for_is_said(project):
    project.finish()
    assert "No operator has looked for unsafe or offensive images or words." in card()
    assert "Images are generated." not in card()  # by no diffusion model, in this recipe


def test_the_pictures_are_those_of_the_kept_folder_alone(project):
    project.finish()
    assert {path.name for path in (DATA / "card").iterdir()} == {"samples.png", "scores.png"}
    assert "](card/samples.png)" in card()
    assert not (DATA.parent / "dropped" / "card").exists()


def test_absolute_paths_are_shortened_wherever_they_stand():
    settings = {"a": ["/home/me/x.py"], "models": {"clip": {"name": "/srv/clip"}}, "n": 1, "b": "c"}
    assert public(settings) == {
        "a": ["x.py"],
        "models": {"clip": {"name": "clip"}},
        "n": 1,
        "b": "c",
    }


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nlicense: other\nlicense_name: my-own\n---\n", "my-own"),
        ("---\nlicense: [a, b]\n---\n", UNKNOWN),
        ("---\n{\n---\n", UNKNOWN),
        ("no head", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_folder_is_believed_what_its_card_says(tmp_path, readme, licence):
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    assert licence_of(str(tmp_path)) == licence


def test_licences_of_models_of_the_hub():
    assert licence_of("facebook/sam-vit-huge") == "apache-2.0"
    assert licence_of("stabilityai/sdxl-turbo") == "sai-nc-community (not for commercial use)"
    assert licence_of("somebody/something") == UNKNOWN


def test_the_card_says_what_a_licence_forbids(project):
    """Of a diffusion model, of which this recipe needs the tokenizer alone."""
    embedded, turbo = EMBEDDED_WEIGHTS / "diffusion", Path("turbo")
    shutil.copytree(embedded / "tokenizer", turbo / "tokenizer")
    shutil.copy(embedded / "model_index.json", turbo)
    (turbo / "model.safetensors").touch()
    (turbo / "README.md").write_text("---\nlicense_name: sai-nc-community\n---\n")
    project.write_captions([{"caption": "a red car on the sand"}])
    steps = ["caption_edit_mapper", "light_image_mapper", {"light_areas": None}]
    project.write_recipe(models={"diffusion": "./turbo"}, lexicon="toyland", process=steps)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert "| sai-nc-community (not for commercial use) |" in card()


def pair(id: str, wide: int, high: int):
    image = encode_png(np.full((high, wide, 3), 200, np.uint8))
    box = Region((wide / 4, high / 4, wide / 2, high / 2), "a")
    return make_row(id, [box], image_a=image, image_b=image)


def test_pairs_of_any_size_and_number_fit_on_the_sheet():
    rows = [pair("small", 16, 16), pair("large", 900, 300), pair("high", 100, 400)]
    for count in (1, 2, 3):
        sheet = draw_samples(rows[:count])
        assert sheet.width > 2 * SIDE * min(count, 2)
    assert (np.asarray(sheet) == RED).all(axis=-1).sum() > 6 * 4 * SIDE / 8


def test_the_card_lists_as_many_pairs_as_the_sheet_shows(project):
    project.finish()
    assert f"\n{EXAMPLES}. " in card()
    assert f"\n{EXAMPLES + 1}. " not in card()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_histogram_has_bars_on_both_sides_of_its_threshold(count):
    shown = histogram("likeness", "filter", [0.1, 0.2, 0.6, 0.9], (0.5, None))
    sheet = draw_histograms([shown] * count)
    colours = {colour for _, colour in sheet.getcolors(sheet.width * sheet.height)}
    assert {(47, 111, 178), (195, 202, 211), (194, 47, 47)} < colours
