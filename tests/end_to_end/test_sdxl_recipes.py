"""The full-size recipes on miniatures with random weights, saved in the formats of the real
checkpoints."""

import json
import re

import numpy as np
import pytest
from chat_miniatures import save_qwen_vl
from miniatures import SAVERS, save_siglip
from runs import ROOT, finished, rows_of
from segmenter_miniatures import save_sam2_video

from imgdiff.data.images import load_rgb
from imgdiff.models import Models
from imgdiff.models.families.causal_lm import CausalLm
from imgdiff.models.zoo import Endpoint, bind
from imgdiff.operator import Filter
from imgdiff.operators.hallucination.phrase_relevance_filter import PhraseRelevanceFilter
from imgdiff.recipe.check import check
from imgdiff.testing import make_row, run_operator
from imgdiff.text.caption_edits import EDITORS
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.phrases import as_records, noun_phrases

PHOTO = ROOT / "recipes" / "data" / "scenes" / "scene-0000.png"
SDXL = ROOT / "recipes" / "sdxl"
FROM_CAPTIONS = ("recommended", "replace", "attribute", "add", "replace_turbo")
TODAY = {"segmenter": save_sam2_video, "clip": save_siglip, "mllm": save_qwen_vl}
PAIRS = (
    ("a red car on sand", "a red boat on sand"),
    ("a blue mug", "a blue mug and a ball"),
)
CAPTIONS = ("a red car on sand", "a blue mug on a table")
KINDS = {  # of edits -> words by which their questions are known
    "replace": "Replace exactly one object",
    "attribute": "Change how exactly one object",
    "add": "Add exactly one object",
}
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
LET_CAPTIONS_PASS = (
    "region_difference_filter.min_area=0.0",
    "region_caption_agreement_filter.min_agreement=0.0",
    "difference_caption_mapper.max_new_tokens=4",
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
    for role, save in TODAY.items():
        save(folder / "today" / role)
    return folder


def places(models, recipe):
    """Where a recipe finds the miniatures; their dtypes stay."""
    of_today = TODAY if recipe.stem == "recommended" else {}
    folders = {role: models / "today" if role in of_today else models for role in SAVERS}
    return [f"models.{role}.name={folders[role] / role}" for role in check(recipe).models]


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return f"dataset_path={path}"


def assert_reached(left):
    """Every operator got rows, and none failed."""
    assert left.report["rows"]["failed"] == 0
    reached = {tally["name"]: tally["rows_in"] for tally in left.report["operators"]}
    assert all(reached.values())


@pytest.fixture
def editing_llm(monkeypatch):
    """The miniature is asked; in place of what random weights say, a caption edited by the lexicon
    is taken for its answer."""
    answer, english = CausalLm.answer, load_lexicon("english")

    def edited(llm, questions, seeds, max_new_tokens, temperature):
        assert len(answer(llm, questions, seeds, 2, temperature)) == len(questions)
        kind = next(kind for kind, words in KINDS.items() if words in questions[0])
        captions = [question.partition("Caption: ")[2] for question in questions]
        rng = np.random.default_rng(0)
        return [EDITORS[kind](caption, english, rng).caption for caption in captions]

    monkeypatch.setattr(CausalLm, "answer", edited)


@pytest.mark.parametrize("name", FROM_CAPTIONS)
def test_the_language_model_is_alone_in_its_phase(name):
    plan = check(SDXL / f"{name}.yaml")
    first, *others = plan.phases
    assert [operator.name for operator in first.operators] == ["caption_edit_mapper"]
    assert "llm" in first.roles
    assert not any("llm" in phase.roles for phase in others)


def test_a_server_in_its_place_is_one_override():
    recipe = SDXL / "replace.yaml"
    (override,) = re.findall(r"'(models\.llm=.*)'", recipe.read_text())
    assert isinstance(check(recipe, [override]).models["llm"], Endpoint)


@pytest.mark.parametrize("name", FROM_CAPTIONS)
def test_no_score_of_a_model_refuses_anything_before_somebody_has_set_its_limit(name):
    """But for unsafe pictures."""
    scoring = [op for op in check(SDXL / f"{name}.yaml").operators if isinstance(op, Filter)]
    limits = {
        score: bounds
        for operator in scoring
        if operator.roles and operator.name != "nsfw_filter"
        for score, bounds in operator.thresholds().items()
        if score != "area"
    }
    assert len(limits) >= 6
    assert {bound for bounds in limits.values() for bound in bounds} <= {-1.0, 1.0, None}


@pytest.mark.parametrize("recipe", sorted(SDXL.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_is_at_a_commit(recipe):
    for role, model in check(recipe).models.items():
        assert re.fullmatch("[0-9a-f]{40}", model.revision), role


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM_CAPTIONS)
def test_full_size_recipe_runs_from_captions_on_every_real_format(
    name, models, tmp_path, editing_llm
):
    captions = ({"id": f"c{k}", "caption": caption} for k, caption in enumerate(CAPTIONS))
    recipe = SDXL / f"{name}.yaml"
    drawing = ["side=64"] if name == "replace_turbo" else ["side=64", "num_inference_steps=3"]
    settings = [f"sdxl_prompt2prompt_mapper.{setting}" for setting in drawing]
    settings += [write(tmp_path / "captions.jsonl", *captions), *places(models, recipe)]
    settings += [*LET_AREAS_PASS, *LET_CAPTIONS_PASS]
    left = finished(f"recipes/sdxl/{name}.yaml", tmp_path / "run", *settings)
    assert_reached(left)
    mode = "refine" if name in ("attribute", "add") else "replace"
    assert [row["editing"]["mode"] for row in rows_of(left)] == [mode] * len(CAPTIONS)


@pytest.mark.slow
def test_the_papers_recipe_runs_from_caption_pairs(models, tmp_path):
    records = ({"id": f"p{k}", "caption_a": a, "caption_b": b} for k, (a, b) in enumerate(PAIRS))
    drawing = ("side=64", "num_inference_steps=3", "candidates=2")
    settings = [f"sdxl_prompt2prompt_mapper.{setting}" for setting in drawing]
    settings += [write(tmp_path / "pairs.jsonl", *records), *places(models, SDXL / "paper.yaml")]
    left = finished("recipes/sdxl/paper.yaml", tmp_path / "run", *settings, *LET_PASS)
    assert_reached(left)
    replaced, added = rows_of(left)
    assert replaced["editing"]["mode"] == "replace"
    assert added["editing"]["mode"] == "refine"
    assert load_rgb(replaced["image_b"]).shape == (64, 64, 3)
    scored = [region.scores for region in added.regions if "noun_itc_b" in region.scores]
    assert scored
    assert not any("noun_itc_a" in scores for scores in scored)


@pytest.mark.slow
def test_full_size_removal_runs_on_every_real_format(models, tmp_path):
    captions = ({"id": f"c{k}", "caption": caption} for k, (caption, _) in enumerate(PAIRS))
    left = finished(
        "recipes/sdxl/remove.yaml",
        tmp_path / "run",
        write(tmp_path / "captions.jsonl", *captions),
        *places(models, SDXL / "remove.yaml"),
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
    given = places(models, ROOT / recipe)
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
