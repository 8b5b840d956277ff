"""Families of the clip and the matcher role through whole runs, on miniatures with random
weights."""

import json
import weakref
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from miniatures import (
    PICTURES,
    save_blip,
    save_blip2,
    save_clip,
    save_siglip,
    save_siglip2,
    save_vit,
)
from PIL import Image
from transformers import CLIPImageProcessor

from imgdiff import cli, run
from imgdiff.models.families.towers import Towers
from imgdiff.models.kinds import family_of
from imgdiff.models.zoo import Checkpoint

SAVERS = {
    "clip": save_clip,
    "siglip": save_siglip,
    "siglip2": save_siglip2,
    "blip": save_blip,
    "blip-2": save_blip2,
}
NOUNS, CAPTIONS = "region_text_matching_filter", "region_caption_matching_filter"
PROCESS = [
    {"light_edit_mapper": {"suffix": "and a cup"}},
    "light_image_mapper",
    {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}},
    "light_area_mapper",
    {NOUNS: {"min_itc": -1.0}},
    {"region_difference_filter": {"max_similarity": 1.0, "min_area": 0.0, "nms_iou": 1.0}},
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Kind -> a folder with a miniature."""
    made = {kind: tmp_path_factory.mktemp(kind) for kind in SAVERS}
    for kind, save in SAVERS.items():
        save(made[kind])
    return made


@pytest.fixture
def start(project, folders):
    """Runs the recipe on models of these kinds, with overrides; gives the exit code."""

    def begin(*overrides, clip="clip", matcher="blip"):
        models = {"clip": str(folders[clip]), "matcher": str(folders[matcher])}
        project.write_recipe(process=PROCESS, models=models, limit=8)
        return run.main(["mine.yaml", *overrides])

    return begin


def regions(project):
    return [region for row in project.rows() for region in row.regions]


@pytest.mark.parametrize(("kind", "dtype", "loads"), [("siglip2", None, 2), ("clip", "float16", 3)])
def test_one_model_in_both_roles_is_loaded_once(project, folders, monkeypatch, kind, dtype, loads):
    """In a phase, of which two use it, unless it is bound in another way."""
    made = []
    load = Towers.load.__func__

    def count(cls, checkpoint):
        made.append(weakref.ref(model := load(cls, checkpoint)))
        return model

    monkeypatch.setattr(Towers, "load", classmethod(count))
    models = {"clip": {"name": str(folders[kind])}, "matcher": {"name": str(folders[kind])}}
    models["matcher"] |= {"dtype": dtype} if dtype else {}
    project.write_recipe(process=PROCESS, models=models, limit=2)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert len(made) == loads
    assert all(region.scores for row in project.rows() for region in row.regions)
    assert [each() for each in made] == [None] * loads


@pytest.mark.parametrize(
    ("clip", "matcher"),
    [("siglip", "blip-2"), ("siglip2", "siglip2"), ("clip", "clip"), ("clip", "blip")],
)
def test_every_family_leaves_its_scores(project, start, clip, matcher):
    assert start(clip=clip, matcher=matcher) == run.COMPLETE
    for row in project.rows():
        assert row.ok
        assert -1 <= row.scores["image_pair_similarity"] <= 1
    found = regions(project)
    assert found
    for region in found:
        assert -1 <= region.scores["noun_itc_b"] <= 1
        assert not [name for name in region.scores if "itm" in name]


@pytest.mark.parametrize("matcher", ["clip", "siglip"])
def test_a_matcher_of_cosines_alone_is_refused_where_a_limit_asks_for_more(
    project, start, folders, capsys, matcher
):
    family, name = matcher, str(folders[matcher])
    said = (
        f"models.matcher: {name} (family {family}) cannot tell how likely a text fits (min_itm), "
        f"as {NOUNS} asks. Families that can: blip, blip-2\n"
    )
    assert start(f"{NOUNS}.min_itm=0.5", matcher=matcher) == run.REFUSED
    assert capsys.readouterr().err.endswith(said)
    assert not project.run_path.exists()
    assert cli.main(["check", "mine.yaml", f"{NOUNS}.min_itm=0.5"]) == run.REFUSED
    assert capsys.readouterr().err.endswith(said)
    assert cli.main(["check", "mine.yaml"]) == run.COMPLETE


WIDE, HIGH = (640, 480), (480, 640)


def write_pairs(pairs):
    """`pairs.jsonl` with pictures of these pairs of arrays."""
    for k, pair in enumerate(pairs):
        for side, picture in zip("ab", pair, strict=True):
            Image.fromarray(picture).save(f"{k}-{side}.png")
    lines = [
        {"id": f"{k}", "image_a": f"{k}-a.png", "image_b": f"{k}-b.png"} for k in range(len(pairs))
    ]
    Path("pairs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def picture(size):
    """Noise of a size (wide, high)."""
    return np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)


def scored(project, models, process):
    project.write_recipe(dataset_path="pairs.jsonl", models=models, process=[process])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    return [row.scores for row in project.rows()]


@pytest.mark.parametrize("size", [WIDE, HIGH])
@pytest.mark.parametrize("clip", ["clip", "siglip"])
def test_what_differs_at_the_rim_alone_is_seen(project, folders, clip, size):
    """Where CLIP's own processor cuts the picture."""
    plain, other = picture(size), picture(size)
    rim = other if size == HIGH else other.swapaxes(0, 1)
    rim[:80], rim[-80:] = 0, 255
    write_pairs([(plain, plain), (plain, other)])
    process = {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}}
    same, differs = scored(project, {"clip": str(folders[clip])}, process)
    assert same["image_pair_similarity"] == pytest.approx(1, abs=1e-6)
    assert differs["image_pair_similarity"] < 1 - 1e-4


def test_square_pictures_are_embedded_as_they_are(project, folders):
    one, other = picture((96, 96)), picture((96, 96))[::-1].copy()
    write_pairs([(one, other)])
    process = {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}}
    (scores,) = scored(project, {"clip": str(folders["clip"])}, process)
    checkpoint = Checkpoint(name=str(folders["clip"]), device="cpu")
    seen = family_of("clip", checkpoint).load(checkpoint).embed_images([one, other])
    assert scores["image_pair_similarity"] == float(np.sum(seen[:1] * seen[1:], axis=1)[0])


@pytest.mark.parametrize("size", [WIDE, HIGH])
@pytest.mark.parametrize("cuts", [False, True])
def test_an_image_classifier_sees_the_rim(project, tmp_path, size, cuts):
    """Also one whose processor cuts the centre."""
    save_vit(tmp_path / "vit")
    if cuts:
        CLIPImageProcessor(**PICTURES).save_pretrained(tmp_path / "vit")
    plain, other = picture(size), picture(size)
    rim = other if size == HIGH else other.swapaxes(0, 1)
    rim[:80], rim[-80:] = 0, 255
    write_pairs([(plain, plain), (other, other)])
    same, differs = scored(
        project, {"nsfw": str(tmp_path / "vit")}, {"nsfw_filter": {"max_score": 1.0}}
    )
    assert abs(differs["nsfw_probability"] - same["nsfw_probability"]) > 1e-4


def outcome(path):
    """The rows that a run kept and dropped, with the scores of their regions."""
    return {
        str(file.relative_to(path)): pq.read_table(file).to_pylist()
        for folder in ("data", "dropped")
        for file in sorted((path / folder).rglob("*.parquet"))
    }


def test_a_limit_of_the_matching_head_that_is_set_later_scores_anew(project, start, monkeypatch):
    """Rows go on from the filter, as if it had been asked from the beginning: also the regions that
    the other limit decides about."""
    limits = f"{NOUNS}.min_itc=0.0", f"{NOUNS}.min_itm=0.5"
    assert start(limits[0]) == run.COMPLETE
    made = []
    monkeypatch.setattr(
        "imgdiff.operators.image_pairs.image_pair_similarity_filter."
        "ImagePairSimilarityFilter.score",
        lambda *given: made.append(given),
    )
    assert start(*limits) == run.COMPLETE
    assert made == []  # what comes before the filter is stored
    monkeypatch.undo()
    monkeypatch.chdir(project.folder)
    assert all({"noun_itm_b", "noun_itc_b"} <= set(region.scores) for region in regions(project))
    later = outcome(project.run_path)
    assert start(*limits, "export_path=outputs/fresh") == run.COMPLETE
    assert later == outcome(Path("outputs/fresh"))


def test_a_limit_that_is_taken_away_is_decided_by_stored_scores(project, start, monkeypatch):
    limits = f"{NOUNS}.min_itc=-1.0", f"{NOUNS}.min_itm=1.0"
    assert start(*limits) == run.COMPLETE
    assert not any(row.ok for row in project.rows())
    monkeypatch.setattr("imgdiff.models.families.blip.Blip.match", lambda *_: pytest.fail("asked"))
    assert start() == run.COMPLETE
    assert all(row.ok for row in project.rows())


def test_the_recipe_of_a_run_says_which_scores_it_leaves(project, start):
    assert start(f"{NOUNS}.min_itm=0.1") == run.COMPLETE
    info = json.loads((project.run_path / "run.json").read_text())
    (described,) = (each for each in info["operators"] if each["name"] == NOUNS)
    assert described["region_scores"] == ["noun_itc_a", "noun_itc_b", "noun_itm_a", "noun_itm_b"]
    assert start() == run.COMPLETE
    info = json.loads((project.run_path / "run.json").read_text())
    (described,) = (each for each in info["operators"] if each["name"] == NOUNS)
    assert described["region_scores"] == ["noun_itc_a", "noun_itc_b"]
