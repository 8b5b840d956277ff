"""The short way to POPE's answers against the long one."""

import numpy as np
import pytest
import torch
from hallucination_parts.speed import captioning
from hallucination_parts.yes_no import counts, exam, first_logits, verdicts

from imgdiff.evaluation import pope
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.scenes import draw

SCENES = 6


@pytest.fixture(scope="module")
def questions():
    return exam("validation", SCENES)


@pytest.fixture(scope="module")
def mllm():
    return ImageTextToText.load(Checkpoint(name=str(EMBEDDED_WEIGHTS / "mllm")))


def test_an_exam_is_popes(questions):
    assert len(questions.scenes) == SCENES
    assert all(len(scene.objects) == 3 for scene in questions.scenes)
    for setting in pope.SETTINGS:
        assert len(questions.chosen[setting]) == 6 * SCENES
        assert questions.truth[questions.chosen[setting]].mean() == 0.5
    assert len(set(questions.asked)) == len(questions.asked)


def test_counts(questions):
    always = np.ones(len(questions.asked), bool)
    assert (counts(questions, "random", always) == [3, 3, 0, 0]).all()
    assert (counts(questions, "adversarial", questions.truth) == [3, 0, 0, 3]).all()


@pytest.mark.slow
def test_the_same_answers_as_one_question_at_a_time(questions, mllm):
    short = verdicts(mllm, first_logits(mllm, questions).argmax(-1))
    some = range(0, len(questions.asked), 3)
    asked = [questions.asked[k] for k in some]
    shown = [Question((draw(questions.scenes[scene]).image,), text) for scene, text in asked]
    said = mllm.answer(shown, 8)
    assert [pope.official_rule(answer, True) for answer in said] == short[some].tolist()


@pytest.mark.slow
def test_distorted_pictures_have_the_same_noise_again(questions, mllm):
    clean, one, other = (first_logits(mllm, questions, step) for step in (None, 900, 900))
    assert torch.equal(one, other)
    assert (clean - one).abs().mean() > 0.1


@pytest.mark.slow
def test_contrastive_decoding_without_a_contrast_is_greedy(questions, mllm):
    pictures = [draw(scene).image for scene in questions.scenes[:2]]
    plainly, contrast = captioning(mllm, pictures), captioning(mllm, pictures, (900, 0.0, 0.1))
    assert torch.equal(plainly(), contrast())
    strong = captioning(mllm, pictures, (900, 4.0, 0.0))
    assert not torch.equal(plainly(), strong())
