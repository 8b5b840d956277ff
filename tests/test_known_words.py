"""Captions that the embedded models cannot know; models of which a tokenizer alone is needed."""

import pytest

from imgdiff import cli, run
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.recipe.check import check

PHOTOS = ["a cat on a laptop", "two dogs on a couch"]
TOYS = ["a red car on the sand", "a photo of a blue mug on the grass"]
BIND = (
    "which the embedded models do not know. Bind others under models, as "
    "recipes/sdxl/recommended.yaml does."
)
READER = """
from imgdiff.operator import Mapper, register

@register("test_reading_mapper")
class ReadingMapper(Mapper):
    reads = ("caption_a",)
    roles = ("diffusion",)

    def process(self, rows):
        pass
"""


@pytest.fixture
def drawn(project):
    """Writes a recipe of which a model of the role diffusion would read the captions."""
    (project.folder / "reading.py").write_text(READER)

    def write(captions, process=("test_reading_mapper",), **changes):
        project.write_captions([{"caption": caption} for caption in captions])
        operators = [*project.settings["operators"], "reading.py"]
        return project.write_recipe(process=list(process), operators=operators, **changes)

    return write


def test_captions_of_which_the_models_know_none_are_refused_before_any_work(drawn, capsys):
    drawn(PHOTOS)
    assert run.main(["mine.yaml"]) == run.REFUSED
    head, told = capsys.readouterr().err.splitlines()
    assert head == "mine.yaml: 1 problem"
    assert told.endswith(f"dataset_path: its captions say cat, laptop, {BIND}")
    drawn(TOYS)
    assert check("mine.yaml").demand.known is not None


def test_a_single_caption_of_other_words_is_rejected_alone(drawn, project):
    drawn([*TOYS, PHOTOS[0]], ["light_edit_mapper", "light_image_mapper", "naturalness_filter"])
    demand = check("mine.yaml").demand
    assert demand.known is None  # nothing reads captions with an embedded model
    drawn([*TOYS, PHOTOS[0]])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = project.rows()
    assert [row.reason for row in rows] == ["", "", "input: caption_words_unknown"]
    assert rows[2].message == f"captions.jsonl:3: the caption says cat, laptop, {BIND}"


def test_other_models_know_other_words(drawn):
    drawn(PHOTOS)
    assert check("mine.yaml", ["models={diffusion: me/drawing}"]).demand.known is None


@pytest.mark.parametrize("models", ["embedded", {"segmenter": "embedded"}, {}])
def test_a_recipe_that_needs_a_tokenizer_alone_does_not_demand_the_model(
    drawn, project, capsys, models
):
    drawn([*PHOTOS, "a dog " * 200], ["caption_edit_mapper"], models=models)
    assert cli.main(["check", "mine.yaml"]) == run.COMPLETE
    assert capsys.readouterr().out == "mine.yaml: fine, 1 operators\n"
    assert run.main(["mine.yaml"]) == run.COMPLETE
    *short, long = project.rows()
    assert all(row.ok for row in short)
    bound = models == "embedded"
    assert (long.reason == "caption_edit_mapper: caption_too_long") == bound
    assert project.open().info.models.keys() == ({"diffusion"} if bound else set())


def test_negatives_are_written_without_a_clip(drawn, project):
    captions = [f"a {name} on a table" for name in ("cat", "dog", "cup", "fork", "book", "lamp")]
    captions += [f"a {name} on a shelf" for name in ("vase", "clock", "radio", "pizza", "apple")]
    process = [{"object_negatives_mapper": {"object_source": "caption"}}]
    drawn(captions, process, models={})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert all(row["negatives"] for row in project.rows())
    assert (EMBEDDED_WEIGHTS / "clip").is_dir()
