"""`imgdiff rehearse`: every step of a recipe on miniatures, without a weight of the real models."""

import json
from pathlib import Path

import miniatures
import numpy as np
import pytest
from hub_server import Listed, Repo
from recordings_folder import copy_recorded

from imgdiff.cli import main
from imgdiff.errors import COMPLETE, REFUSED, TOO_MANY_FAILED
from imgdiff.models.kinds import family_of, read_config
from imgdiff.models.sizes import GIB
from imgdiff.models.zoo import Checkpoint
from imgdiff.rehearsal.miniatures import make

PICTURES = [np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)]
ASKED = {
    "clip": lambda model: model.embed_images(PICTURES).shape == (1, 512),
    "matcher": lambda model: -1 <= model.match(PICTURES, ["a dog"])[0][0] <= 1,
    "nsfw": lambda model: 0 < model.probability(PICTURES, ["nsfw"])[0] < 1,
    "llm": lambda model: len(model.answer(["Hello"], [0], 4, 1.0)) == 1,
    "segmenter": lambda model: isinstance(segments_of(model), list),
}
REAL = (
    ("clip", "openai/clip-vit-base-patch32", ("vocab.json",)),
    ("matcher", "Salesforce/blip-itm-large-coco", ("vocab.txt",)),
    ("nsfw", "Falconsai/nsfw_image_detection", ()),
    ("llm", "Qwen/Qwen2.5-7B-Instruct", ("vocab.json",)),
    ("segmenter", "facebook/sam2.1-hiera-large", ()),
    ("segmenter", "facebook/sam3", ("vocab.json",)),
)


def segments_of(model):
    if hasattr(model, "segment_named"):
        return model.segment_named(PICTURES[0], ["a dog"], 0.0, 0.7)
    return model.segment(PICTURES[0], 2, 0.0, 0.0, 0.7)


@pytest.fixture
def published(model_hub, tmp_path):
    """A CLIP and a BLIP whose weights are listed, and cannot be had."""
    for name, save in (("a/clip", miniatures.save_clip), ("a/blip", miniatures.save_blip)):
        folder = tmp_path / "saved" / name
        save(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        files["model.safetensors"] = Listed(GIB // 2)
        model_hub.repos[name] = Repo(public=True)
        model_hub.repos[name].commit(files)
    return model_hub


@pytest.fixture
def recipe(project, published):
    """Its limits let nothing through."""
    project.write_recipe(
        process=[
            *project.settings["process"],
            {"image_pair_similarity_filter": {"min_score": 0.99, "max_score": 1.0}},
            {"region_text_matching_filter": {"min_itc": 0.99}},
            {"region_difference_filter": {"max_similarity": -1.0}},
            "light_conversation_mapper",
        ],
        models={"clip": "a/clip", "matcher": "a/blip"},
        export={"formats": ["llava"]},
    )
    return project


def test_every_step_is_tried_and_no_weight_is_downloaded(recipe, published, capsys, tmp_path):
    assert main(["rehearse", "mine.yaml", "--keep", str(tmp_path / "kept")]) == COMPLETE
    said = capsys.readouterr().out
    assert said.endswith("mine.yaml: every step works\n")
    assert "2 rows: 2 ok, 0 rejected, 0 failed" in said
    assert not any(path.endswith(".safetensors") for path in published.asked)
    exported = tmp_path / "kept" / "run" / "export" / "llava" / "train.json"
    assert json.loads(exported.read_text())
    assert not recipe.run_path.exists()


REFUSING = """
from imgdiff.operator import Mapper, register


@register("refusing_mapper")
class RefusingMapper(Mapper):
    reads = ("caption_a",)
    writes = ("caption_b", "image_a", "regions")

    def process(self, rows):
        for row in rows:
            row.reject(self.name, "nothing_here", "nothing")


@register("breaking_mapper")
class BreakingMapper(Mapper):
    reads = ("caption_b", "image_a", "regions")

    def process(self, rows):
        for row in rows:
            assert row["caption_b"] and row["image_a"]["bytes"] and row.kept_regions
            if row["caption_a"] == "break":
                raise ValueError("cannot do this one")
"""


def test_a_row_that_a_rule_ends_goes_on_with_stand_ins(project, capsys):
    Path("own.py").write_text(REFUSING)
    process = ["refusing_mapper", "breaking_mapper"]
    operators = [*project.settings["operators"], "own.py"]
    project.write_recipe(process=process, operators=operators)
    assert main(["rehearse", "mine.yaml"]) == COMPLETE
    said = capsys.readouterr().out
    reason = "refusing_mapper: nothing_here"
    assert f"2 rows would have ended as {reason}; they went on with a stand-in" in said


def test_what_breaks_is_named(project, capsys):
    Path("own.py").write_text(REFUSING)
    project.write_captions([{"id": "a", "caption": "fine"}, {"id": "b", "caption": "break"}])
    operators = [*project.settings["operators"], "own.py"]
    project.write_recipe(process=["refusing_mapper", "breaking_mapper"], operators=operators)
    assert main(["rehearse", "mine.yaml"]) == TOO_MANY_FAILED
    said = capsys.readouterr().out
    assert "1 rows failed: breaking_mapper: operator_error" in said


def test_a_model_that_is_not_there(recipe, capsys):
    assert main(["rehearse", "mine.yaml", "models.clip=a/other"]) == REFUSED
    assert "models.clip: the Hub refuses a/other" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("role", "name", "needed"), REAL, ids=[name for _, name, _ in REAL])
def test_a_miniature_of_a_real_model(tmp_path, role, name, needed):
    """Its real config and processor, pictures that are not square."""
    source = copy_recorded(name, tmp_path / "source")
    checkpoint = make(Checkpoint(name=str(source)), tmp_path / "miniature")
    before, after = read_config(Checkpoint(name=str(source))), read_config(checkpoint)
    assert before["model_type"] == after["model_type"]
    weights = tmp_path / "miniature" / "model.safetensors"
    assert weights.stat().st_size < GIB
    assert ASKED[role](family_of(role, checkpoint).load(checkpoint))
