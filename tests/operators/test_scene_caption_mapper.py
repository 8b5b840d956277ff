"""scene_caption_mapper: what an image shows, and what the MLLM was asked."""

import pytest

from imgdiff.data import images
from imgdiff.operators.scene_captions.scene_caption_mapper import SceneCaptionMapper
from imgdiff.testing import make_row, run_operator
from imgdiff.text import prompts


def test_each_image_gets_its_caption_and_the_prompt(models, paint):
    rows = [make_row(f"row-{level}", image_a=paint(level)) for level in (10, 70)]
    after = run_operator(SceneCaptionMapper, rows, models)
    assert [row["caption_a"] for row in after] == ["A thing of level 10.", "A thing of level 70."]
    assert {row["prompt"] for row in after} == {prompts.SCENE} == set(models.mllm().questions)
    assert all(row.ok for row in after)


def test_prompt_of_the_recipe(models, paint):
    row = make_row(image_a=paint(1))
    (row,) = run_operator(SceneCaptionMapper, [row], models, prompt="What is {this}?")
    assert row["prompt"] == "What is {this}?" == models.mllm().questions[0]


def test_large_image_is_shown_small_on_a_square(models, paint):
    row = make_row(image_a=paint(1, size=(images.REFERENCE_SIDE * 2, 40)))
    run_operator(SceneCaptionMapper, [row], models)
    (shown,) = models.mllm().pictures
    assert shown.shape == (images.REFERENCE_SIDE, images.REFERENCE_SIDE, 3)
    assert (shown[:, 502:522] == 1).all()
    assert (shown[:, :502] == images.GREY).all()


@pytest.mark.parametrize("answer", ["", "I'm sorry, I cannot describe it."])
def test_refusal_rejects_the_row_and_is_stored(models, paint, answer):
    models.mllm().say = lambda picture, question: answer
    (row,) = run_operator(SceneCaptionMapper, [make_row(image_a=paint(1))], models)
    assert (row.status, row.reason) == ("rejected", "scene_caption_mapper: answer_form")
    assert row.message == "the model described nothing"
    assert row["caption_a"] == answer
