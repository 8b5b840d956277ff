"""sdxl_inpaint_mapper: which segment is erased, with what, and what is refused."""

from types import SimpleNamespace

import miniatures
import numpy as np
import pytest

from imgdiff.data.images import encode_png, load_rgb
from imgdiff.data.rows import Region, derive_seed
from imgdiff.editing import inpainting
from imgdiff.editing.holes import dilated
from imgdiff.operators.object_removal.sdxl_inpaint_mapper import SdxlInpaintMapper
from imgdiff.testing import make_row, run_operator
from imgdiff.toyland.tokenizer import clip_tokenizer

NAME = "sdxl_inpaint_mapper"
SIDE = 32
BOX, OTHER, TINY, HUGE = (4, 6, 12, 16), (18, 3, 30, 13), (0, 0, 1, 1), (0, 0, 32, 31)


def mask_of(box):
    mask = np.zeros((SIDE, SIDE), bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return mask


def region(box):
    flat = mask_of(box).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *changes, flat.size]).tolist()
    return Region(tuple(map(float, box)), "a", {"size": [SIDE, SIDE], "counts": counts})


def pictured(*boxes, id="row-0", **values):
    """A noisy image A with a segment in each box."""
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    given = {"caption_a": "a red car on sand", "image_a": encode_png(picture)}
    return make_row(id, [region(box) for box in boxes], **(given | values))


@pytest.fixture
def erase(models, monkeypatch):
    """erase(rows, **params): the rows afterwards; `erase.calls` holds the calls of the numerics,
    which paint white."""
    calls = []

    def fake(*call):
        calls.append(call)
        return [run.picture_of(hole) for hole in call[1]]

    def run(rows, **params):
        return run_operator(SdxlInpaintMapper, rows, models, **params)

    run.calls = calls
    run.picture_of = lambda hole: np.ones(hole.image.shape, np.float32)
    models.diffusion = lambda: SimpleNamespace(pipeline="the pipeline")
    monkeypatch.setattr(inpainting, "inpaint", fake)
    return run


def test_the_dilated_mask_is_painted_and_the_rest_stays_bit_for_bit(erase):
    (row,) = erase([pictured(BOX)], mask_dilation=0.1)
    mask = dilated(mask_of(BOX), 0.1)
    image_a, image_b = (load_rgb(row[name]) for name in ("image_a", "image_b"))
    np.testing.assert_array_equal(image_b[~mask], image_a[~mask])
    assert (image_b[mask] == 255).all()
    assert mask.sum() > mask_of(BOX).sum()
    assert row["editing"] == {"mode": "inpaint", "candidate": 0, "candidate_scores": []}


def test_a_real_pipeline_leaves_the_rest_bit_for_bit(models):
    pipeline = miniatures.sdxl(clip_tokenizer())
    models.diffusion = lambda: SimpleNamespace(pipeline=pipeline)
    (row,) = run_operator(SdxlInpaintMapper, [pictured(BOX)], models, num_inference_steps=2)
    changed = (load_rgb(row["image_b"]) != load_rgb(row["image_a"])).any(-1)
    mask = dilated(mask_of(BOX), SdxlInpaintMapper.Params().mask_dilation)
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.9


def test_one_segment_is_drawn_by_lot_and_keeps_its_box(erase):
    chosen = set()
    for k in range(20):
        (row,) = erase([pictured(BOX, OTHER, id=f"row-{k}")])
        (kept,) = row.kept_regions
        (refused,) = (r for r in row.regions if r is not kept)
        assert refused.reason == f"{NAME}: not_chosen"
        chosen.add(kept.box_xyxy)
    assert chosen == {tuple(map(float, box)) for box in (BOX, OTHER)}


def test_segments_of_other_sizes_are_not_chosen(erase):
    limits = {"min_area": 0.01, "max_area": 0.5}
    for k in range(10):
        (row,) = erase([pictured(TINY, BOX, HUGE, id=f"row-{k}")], **limits)
        assert [r.box_xyxy for r in row.kept_regions] == [tuple(map(float, BOX))]


def test_a_segment_refused_earlier_is_not_chosen(erase):
    row = pictured(BOX, OTHER)
    row.regions[0].reject("earlier", "bad")
    (row,) = erase([row])
    assert row.regions[0].reason == "earlier: bad"
    assert row.kept_regions == [row.regions[1]]


@pytest.mark.parametrize("boxes", [(), (TINY, HUGE)])
def test_without_a_segment_of_a_fitting_size_the_row_is_rejected(erase, boxes):
    bad, good = erase(
        [pictured(*boxes, id="bad"), pictured(BOX, id="good")], min_area=0.01, max_area=0.5
    )
    assert (bad.status, bad.reason) == ("rejected", f"{NAME}: no_object")
    assert bad.message == "no segment takes up 1.00% to 50.00% of the image"
    assert "image_b" not in bad.values
    assert good.ok


def test_settings_and_the_rows_seed_reach_the_numerics(erase):
    (row,) = erase(
        [pictured(BOX)],
        num_inference_steps=10,
        guidance_scale=2.0,
        strength=0.5,
        side=64,
        prompt="no {x}, nothing {place}",
        negative_prompt="{caption_a}",
    )
    ((pipeline, (hole,), *settings),) = erase.calls
    assert (pipeline, settings) == ("the pipeline", [10, 2.0, 0.5, 64])
    assert hole.seed == derive_seed(row.seed, NAME)
    assert hole.prompt == "no {x}, nothing on sand"
    assert hole.negative_prompt == "a red car on sand"


def test_a_caption_is_needed_only_where_a_prompt_names_it(erase):
    row = pictured(BOX)
    del row.values["caption_a"]
    (row,) = erase([row])
    assert row.ok
    ((_, (hole,), *_),) = erase.calls
    assert hole.negative_prompt is None
    for settings, needed in (
        ({}, False),
        ({"negative_prompt": "{caption_a}"}, True),
        ({"prompt": "{place}"}, True),
    ):
        operator = SdxlInpaintMapper(SdxlInpaintMapper.Params(**settings))
        assert ("caption_a" in operator.reads) == needed


def test_a_prompt_that_is_too_long_is_refused_before_anything_is_drawn(erase):
    row = pictured(BOX, caption_a="a boat " * 11)
    (row,) = erase([row], negative_prompt="{caption_a}")
    assert (row.status, row.reason) == ("rejected", f"{NAME}: caption_too_long")
    assert row.message == "caption has 22 tokens, the text encoder reads 20"
    assert row.kept_regions == row.regions


def test_nan_fails_the_row_alone(erase):
    bad_seed = derive_seed(pictured(id="bad").seed, NAME)
    erase.picture_of = lambda hole: np.full(
        hole.image.shape, np.nan if hole.seed == bad_seed else 1, np.float32
    )
    bad, good = erase([pictured(BOX, id="bad"), pictured(BOX, id="good")])
    assert (bad.status, bad.reason) == ("failed", f"{NAME}: image_nan")
    assert bad.message == "the model gave NaN; use bfloat16 or float32"
    assert "image_b" not in bad.values
    assert good.ok


def test_a_bad_image_costs_one_row(erase):
    rows = [pictured(BOX, id=f"row-{k}") for k in range(3)]
    rows[1]["image_a"] = {"bytes": b"<html>", "path": "0818.jpg"}
    after = erase(rows)
    assert [row.status for row in after] == ["ok", "failed", "ok"]
    assert after[1].reason == f"{NAME}: image_unreadable"


def test_rows_do_not_depend_on_the_batch(erase):
    rows = [pictured(BOX, OTHER, id=f"row-{k}") for k in range(5)]
    assert erase(rows, batch_size=5) == erase(rows, batch_size=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"strength": 0.2, "num_inference_steps": 4},
            "strength 0.2 of num_inference_steps 4 leaves no step to run. Raise one of them",
        ),
        ({"min_area": 0.4, "max_area": 0.3}, "min_area 0.4 is above max_area 0.3"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SdxlInpaintMapper.Params(**settings)
