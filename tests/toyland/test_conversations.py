"""What the MLLM learns: true answers about the scene of the same seed."""

import numpy as np
import pytest

from imgdiff import prompts
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.conversations import (
    SHARES,
    TASKS,
    changed_pair,
    exists,
    region,
    turn,
    whole_scene,
)
from imgdiff.toyland.scenes import draw, generator, sample_scene

SEEDS = range(40)


def scene_of(seed):
    """Every task samples its scene first."""
    return sample_scene(generator("train", seed))


@pytest.mark.parametrize("task", TASKS)
def test_pictures_are_square_and_turns_repeat(task):
    for seed in range(5):
        one, other = (task(generator("train", seed)) for _ in range(2))
        assert one.image.shape[0] == one.image.shape[1]
        assert one.image.dtype == np.uint8
        np.testing.assert_array_equal(one.image, other.image)
        assert (one.question, one.answer) == (other.question, other.answer)


def test_region_answers_name_an_object_or_the_ground():
    for seed in SEEDS:
        scene, said = scene_of(seed), region(generator("train", seed))
        assert said.question == prompts.REGION["crop"]
        allowed = [phrase(thing) for thing in scene.objects] + [f"nothing but {scene.ground}"]
        assert said.answer in [f"{text.capitalize()}." for text in allowed]


def test_whole_scene():
    for seed in SEEDS:
        scene, said = scene_of(seed), whole_scene(generator("train", seed))
        assert said.question == prompts.SCENE
        assert all(phrase(thing) in said.answer.lower() for thing in scene.objects)
        assert said.answer[0].isupper()
        np.testing.assert_array_equal(said.image, draw(scene).image)


def test_existence_is_answered_truly():
    answers = []
    for seed in range(200):
        scene, said = scene_of(seed), exists(generator("train", seed))
        asked = said.question.removeprefix("Is there ").removesuffix(" in the image?").split()
        present = {thing.category for thing in scene.objects}
        names = {thing.name for thing in scene.objects}
        is_there = " ".join(asked[1:]) in (names if len(asked) == 3 else present)
        assert said.answer == ("Yes." if is_there else "No.")
        answers.append(is_there)
    assert np.mean(answers) == pytest.approx(0.5, abs=0.1)


def test_difference_says_what_is_on_each_side():
    kinds = []
    for seed in SEEDS:
        scene, said = scene_of(seed), changed_pair(generator("train", seed))
        things = [phrase(thing) for thing in scene.objects]
        assert any(thing in said.answer for thing in things)
        assert said.question.startswith("The red box in the left image shows a")
        same = said.answer.startswith("Both images show")
        assert same or said.answer.startswith("The left image shows a")
        kinds.append(same)
    assert any(kinds)
    assert not all(kinds)


def test_captions_in_the_question_are_mostly_right():
    right = []
    for seed in range(150):
        said = changed_pair(generator("train", seed))
        left = said.question.split("left image shows ")[1].split(", and the red")[0]
        right.append(
            said.answer.startswith((f"The left image shows {left},", f"Both images show {left}."))
        )
    assert 0.75 < np.mean(right) < 0.95


def test_shares():
    assert sum(SHARES) == pytest.approx(1)
    questions = [turn(generator("train", seed)).question for seed in range(300)]
    scenes = np.mean([question == prompts.SCENE for question in questions])
    assert scenes == pytest.approx(0.12, abs=0.06)
