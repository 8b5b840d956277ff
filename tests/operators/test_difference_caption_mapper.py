"""difference_caption_mapper: one question about both images side by side, boxes in red."""

import numpy as np
import pytest

from imgdiff.data import images
from imgdiff.data.rows import Region
from imgdiff.models.families.qwen3_vl import Qwen3Vl
from imgdiff.operators.difference_captions.difference_caption_mapper import DifferenceCaptionMapper
from imgdiff.testing import run_operator

BOX = (8.0, 8.0, 24.0, 24.0)


def describe(models, row, **params):
    (row,) = run_operator(DifferenceCaptionMapper, [row], models, **params)
    return row


def test_question_quotes_both_captions(models, pair_row):
    models.mllm().say = lambda picture, question: "The car became a boat."
    row = describe(models, pair_row())
    (question,) = models.mllm().questions
    assert question.startswith(
        "The red box in the left image shows a car, "
        "and the red box in the right image shows a boat."
    )
    assert row.regions[0].difference == "The car became a boat."


def test_captions_with_braces_stay_as_they_are(models, pair_row):
    region = Region(BOX, "a", caption_a="A {box}.", caption_b="A %s.")
    describe(models, pair_row(regions=[region]), prompt="{caption_a}|{caption_b}|{other}")
    assert models.mllm().questions == ["a {box}|a %s|{other}"]


def test_caption_that_names_a_placeholder_is_not_filled_in(models, pair_row):
    region = Region(BOX, "a", caption_a="A {caption_b}.", caption_b="A boat.")
    describe(models, pair_row(regions=[region]), prompt="{caption_a}|{caption_b}")
    assert models.mllm().questions == ["a {caption_b}|a boat"]


def test_picture_is_both_images_with_boxes_in_a_square(models, pair_row):
    row = pair_row(10, 70)
    describe(models, row)
    (picture,) = models.mllm().pictures
    marked = [images.draw_box(images.load_rgb(row[f"image_{side}"]), BOX) for side in "ab"]
    wide = 64 + 1 + 64
    assert picture.shape == (wide, wide, 3)
    top = (wide - 64) // 2
    np.testing.assert_array_equal(picture[top : top + 64, :64], marked[0])
    np.testing.assert_array_equal(picture[top : top + 64, 65:], marked[1])


def test_a_family_that_reads_two_pictures_gets_them_one_by_one(models, pair_row):
    models.mllm().profile = Qwen3Vl()
    row = pair_row(10, 70)
    describe(models, row)
    marked = [images.draw_box(images.load_rgb(row[f"image_{side}"]), BOX) for side in "ab"]
    np.testing.assert_array_equal(models.mllm().pictures, marked)
    (question,) = models.mllm().questions
    assert question.startswith(
        "The red box in the first image shows a car, "
        "and the red box in the second image shows a boat."
    )


def test_refusal_rejects_the_region_alone(models, pair_row):
    regions = [Region(BOX, "a", caption_a="A mug.", caption_b="A car."), Region(BOX, "b")]
    models.mllm().say = lambda picture, question: "Sorry." if "mug" in question else "A change."
    row = describe(models, pair_row(regions=regions))
    assert [r.reason for r in row.regions] == ["difference_caption_mapper: answer_form", ""]
    assert row.regions[0].difference == "Sorry."
    assert row.ok


@pytest.mark.parametrize("answer", ["", "I'm sorry, but I can't help.", "<image>"])
def test_row_with_refusals_only_is_rejected(models, pair_row, answer):
    models.mllm().say = lambda picture, question: answer
    row = describe(models, pair_row())
    assert (row.status, row.reason) == (
        "rejected",
        "difference_caption_mapper: no_difference_caption",
    )
    assert row.message == "the model described no difference"
