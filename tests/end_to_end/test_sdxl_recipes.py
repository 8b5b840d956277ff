"""The full-size recipes on miniatures with random weights, saved in the formats of the real
checkpoints."""

import json

import pytest
from miniatures import SAVERS
from runs import ROOT, finished, rows_of

from imgdiff.data.images import load_rgb
from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.operators.hallucination.phrase_relevance_filter import PhraseRelevanceFilter
from imgdiff.recipe.check import check
from imgdiff.testing import make_row, run_operator
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.phrases import as_records, noun_phrases

PHOTO = ROOT / "recipes" / "data" / "scenes" / "scene-0000.png"
PAIRS = (
    ("a red car on sand", "a red boat on sand"),
    ("a blue mug", "a blue mug and a ball"),
)
# random weights know nothing, so nothing may hang on what they say
LET_AREAS_PASS = (
    "nsfw_filter.max_score=1.0",
    "image_segment_mapper.points_per_side=2",
    "image_segment_mapper.pred_iou_thresh=0.0",
    "image_segment_mapper.stability_score_thresh=0.0",
    "image_segment_mapper.min_side=1",
    "image_segment_mapper.max_area=1.0",
    "region_caption_mapper.max_new_tokens=4",
)
LET_PASS = (
    *LET_AREAS_PASS,
    "image_pair_similarity_filter.min_score=-1.0",
    "image_pair_similarity_filter.max_score=1.0",
    "region_text_matching_filter.min_itc=-1.0",
    "region_difference_filter.max_similarity=1.0",
    "region_caption_matching_filter.min_itc=-1.0",
    "region_caption_similarity_filter.max_similarity=1.0",
    "difference_caption_mapper.max_new_tokens=4",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniatures")
    for role, save in SAVERS.items():
        save(folder / role)
    return folder


def places(models, *others):
    """Where the recipe finds the miniatures; some models are given with their dtype."""
    yield from (f"models.{role}.name={models / role}" for role in ("diffusion", "mllm"))
    yield from (f"models.{role}={models / role}" for role in others)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("recipes/sdxl/replace.yaml", ("side=64", "num_inference_steps=3", "candidates=2")),
        ("recipes/sdxl/replace_turbo.yaml", ("side=64",)),
    ],
)
def test_full_size_recipe_runs_on_every_real_format(recipe, overrides, models, tmp_path):
    dataset = tmp_path / "pairs.jsonl"
    records = [{"id": f"p{k}", "caption_a": a, "caption_b": b} for k, (a, b) in enumerate(PAIRS)]
    dataset.write_text("".join(json.dumps(record) + "\n" for record in records))
    settings = [f"sdxl_prompt2prompt_mapper.{setting}" for setting in overrides]
    settings += [*places(models, "segmenter", "clip", "matcher", "nsfw"), *LET_PASS]
    left = finished(recipe, tmp_path / "run", f"dataset_path={dataset}", *settings)
    replaced, added = rows_of(left)
    assert left.report["rows"]["failed"] == 0
    assert replaced["editing"]["mode"] == "replace"
    assert added["editing"]["mode"] == "refine"
    assert load_rgb(replaced["image_b"]).shape == (64, 64, 3)
    scored = [region.scores for region in added.regions if "noun_itc_b" in region.scores]
    assert scored
    assert not any("noun_itc_a" in scores for scores in scored)
    reached = {tally["name"]: tally["rows_in"] for tally in left.report["operators"]}
    assert all(reached.values())


@pytest.mark.slow
def test_full_size_removal_runs_on_every_real_format(models, tmp_path):
    dataset = tmp_path / "captions.jsonl"
    records = [{"id": f"c{k}", "caption": caption} for k, (caption, _) in enumerate(PAIRS)]
    dataset.write_text("".join(json.dumps(record) + "\n" for record in records))
    left = finished(
        "recipes/sdxl/remove.yaml",
        tmp_path / "run",
        f"dataset_path={dataset}",
        *places(models, "segmenter", "matcher", "nsfw"),
        *LET_AREAS_PASS,
        "sdxl_text2image_mapper.side=64",
        "sdxl_inpaint_mapper.side=64",
        "sdxl_inpaint_mapper.min_area=0.0",
        "sdxl_inpaint_mapper.max_area=1.0",
        "region_erasure_filter.min_before=-1.0",
        "region_erasure_filter.max_after=1.0",
    )
    assert left.report["rows"]["failed"] == 0
    for row in rows_of(left):
        assert row["editing"]["mode"] == "inpaint"
        assert load_rgb(row["image_b"]).shape == (64, 64, 3)
        (region,) = (r for r in row.regions if "not_chosen" not in r.reason)
        assert region.conversations[1]["value"] in ("A", "B")


@pytest.mark.slow
def test_full_size_captions_of_a_folder_of_photos(models, tmp_path):
    """Random weights name nothing, so no caption gets past its phrases; one with phrases is scored
    by the recipe's own settings."""
    photos = tmp_path / "photos" / "a"
    photos.mkdir(parents=True)
    for name in ("one", "two"):
        (photos / f"{name}.png").write_bytes(PHOTO.read_bytes())
    recipe = "recipes/sdxl/efuf_data.yaml"
    given = f"models.mllm.name={models / 'mllm'}", f"models.clip={models / 'clip'}"
    settings = f"dataset_path={photos.parent}", "scene_caption_mapper.max_new_tokens=4"
    left = finished(recipe, tmp_path / "run", *settings, *given)
    assert [row.id for row in rows_of(left)] == ["one", "two"]
    assert {row.reason.partition(":")[0] for row in rows_of(left)} == {"caption_phrase_mapper"}

    caption = "A red car, a dog."
    params = check(ROOT / recipe).operators[-1].params
    row = make_row(
        image_a={"bytes": PHOTO.read_bytes(), "path": None},
        caption_a=caption,
        phrases=as_records(caption, noun_phrases(caption, load_lexicon("english"))),
    )
    bound = Models(bind({"clip": str(models / "clip")}))
    (after,) = run_operator(PhraseRelevanceFilter, [row], bound, **params.model_dump())
    assert [phrase["text"] for phrase in after["phrases"]] == ["A red car", "a dog"]
    assert all(-1 <= phrase["score"] <= 1 for phrase in after["phrases"])
    assert after.status != "failed"
