"""Test scenes with wrong captions, and who picks the right one."""

import re

import numpy as np
import pytest
from embedded.ohd_cases import cases, chance, picked, swaps

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import generator, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, SEEN


def things(caption):
    """(category, colour) of what a caption names."""
    words = re.findall(r"\w+", caption)
    return {(w, words[k - 1]) for k, w in enumerate(words) if w in CATEGORIES}


def test_swaps_change_one_word_to_something_absent():
    for seed in range(60):
        rng = generator("test", seed)
        scene = sample_scene(rng, 2 + seed % 2)
        caption = scene_caption(scene, rng)
        shown = {(thing.category, thing.colour) for thing in scene.objects}
        found = list(swaps(scene, caption, rng))
        assert len(set(found)) == len(found) >= 5 * len(shown)
        for text in found:
            assert len(text.split()) == len(caption.split())
            ((category, colour),) = things(text) - shown
            assert len(things(text) & shown) == len(shown) - 1
            assert category not in dict(shown) or colour not in dict(shown).values()
            assert (category, colour) in SEEN


def test_cases_have_distinct_wrong_captions():
    made = cases(60)
    for case in made:
        assert len({case.caption, *case.edited}) == 28
        assert len({case.caption, *case.swapped}) == 1 + len(case.swapped)
    assert {len(things(case.caption)) for case in made} == {2, 3}


def test_a_tie_is_a_miss():
    vectors = {"own": np.array([1.0, 0.0]), "same": np.array([1.0, 0.0]), "other": np.array([0, 1])}
    images = np.array([[0.8, 0.6]] * 2)
    wrong = [["other"], ["other", "same"]]
    assert picked(images, ["own"] * 2, wrong, vectors).tolist() == [True, False]


def test_chance_is_the_mean_over_cases():
    assert chance([["a"], ["a", "b", "c"]]) == pytest.approx((1 / 2 + 1 / 4) / 2)
