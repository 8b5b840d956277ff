"""What the MLLM is taught is true."""

import re
from collections import Counter

import numpy as np
import pytest

from imgdiff.text import prompts
from imgdiff.toyland.world.changes import CHANGES, changed_pair
from imgdiff.toyland.world.conversations import (
    conversation,
    difference_sentence,
    listed_pair,
    questions,
)
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.vocabulary import COLOURS, HELD_OUT


def test_every_task_comes_up_with_square_pictures():
    talks = [conversation(generator("train", seed)) for seed in range(150)]
    asked = Counter(talk.turns[0][0].split(" ")[0] for talk in talks)
    assert {"List", "Describe", "Is", "The"} <= set(asked)
    assert {len(talk.images) for talk in talks} == {1, 2}
    for talk in talks:
        for image in talk.images:
            assert image.shape[0] == image.shape[1]
            assert image.dtype == np.uint8


def test_answers_to_questions_are_true():
    for seed in range(200):
        rng = generator("validation", seed)
        scene = sample_scene(rng)
        names = {thing.name for thing in scene.things} | {t.category for t in scene.things}
        turns = questions(scene, rng)
        for asked, answer in turns:
            if answer in ("Yes.", "No."):
                thing = re.fullmatch(r"Is there an? (.*) in the image\?", asked)[1]
                assert (answer == "Yes.") == (thing in names)
        answers = Counter(answer for _, answer in turns)
        assert answers["Yes."] == answers["No."]


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_of_difference_has_its_sentence(kind):
    (found,) = changed_pair(generator("validation", 2), [kind]).differences
    said = difference_sentence(found)
    assert said[0].isupper()
    assert said.endswith(".")
    assert (found.phrase_b or found.phrase_a).split(" ")[-1] in said or kind == "style"


def test_a_list_has_a_sentence_for_each_difference():
    lengths = Counter()
    for seed in range(60):
        (turn,) = listed_pair(generator("validation", seed)).turns
        assert turn[0] == prompts.DIFFERENCES
        lengths[0 if turn[1] == "Nothing differs." else turn[1].count(".")] += 1
    assert set(lengths) == {0, 1, 2, 3}


def test_no_word_of_a_combination_that_is_held_out():
    names = {f"{colour} {category}" for category, colour in HELD_OUT}
    for seed in range(600):
        talk = conversation(generator("train", seed))
        text = " ".join(words for turn in talk.turns for words in turn)
        said = set(re.findall(rf"(?:{'|'.join(COLOURS)}) [a-z]+", text))
        assert not said & names
