"""The full-size recipes on miniatures with random weights, saved in the formats of the real
checkpoints."""

import json

import pytest
from miniatures import SAVERS
from runs import finished, rows_of

from imgdiff.images import load_rgb

PAIRS = (
    ("a red car on sand", "a red boat on sand"),
    ("a blue mug", "a blue mug and a ball"),
)
# random weights know nothing, so nothing may hang on what they say
LET_AREAS_PASS = (
    "nsfw_filter.max_score=1.0",
    "image_segment_mapper.points_per_side=2",
    "image_segment_mapper.min_predicted_iou=0.0",
    "image_segment_mapper.min_stability=0.0",
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
