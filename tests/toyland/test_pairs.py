"""Rendered pairs differ exactly where they say."""

import numpy as np
import pytest

from imgdiff.toyland.captions import phrase
from imgdiff.toyland.pairs import recoloured_pair, replaced_pair, unchanged_pair
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.vocabulary import CATEGORIES, HELD_OUT, with_article

COUNT = 40
MAKERS = {
    "replaced": replaced_pair,
    "recoloured": recoloured_pair,
    "unchanged": unchanged_pair,
}


@pytest.fixture(scope="module")
def pairs():
    return {
        kind: [make(generator("validation", seed)) for seed in range(COUNT)]
        for kind, make in MAKERS.items()
    }


@pytest.mark.parametrize("kind", MAKERS)
def test_kind_is_named(pairs, kind):
    assert {pair.kind for pair in pairs[kind]} == {kind}


@pytest.mark.parametrize("kind", MAKERS)
def test_same_seed_gives_the_same_pair(pairs, kind):
    again = MAKERS[kind](generator("validation", 3))
    before = pairs[kind][3]
    assert (again.caption_a, again.caption_b) == (before.caption_a, before.caption_b)
    np.testing.assert_array_equal(again.images, before.images)


@pytest.mark.parametrize("kind", ["replaced", "recoloured"])
def test_images_differ_in_the_boxes_only(pairs, kind):
    for pair in pairs[kind]:
        changed = (pair.images[0] != pair.images[1]).any(-1)
        inside = np.zeros_like(changed)
        for left, top, right, bottom in np.array(pair.boxes_xyxy, int):
            # a pixel more on each side, where colours are mixed
            inside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
        assert changed.sum() > 50
        assert not (changed & ~inside).any()


def test_unchanged_images_are_equal(pairs):
    for pair in pairs["unchanged"]:
        np.testing.assert_array_equal(*pair.images)
        np.testing.assert_array_equal(*pair.boxes_xyxy)
        assert pair.old == pair.new


def test_replaced_object_is_another_of_its_group(pairs):
    same_group = 0
    for pair in pairs["replaced"]:
        assert pair.old.category != pair.new.category
        assert (pair.new.category, pair.new.colour) not in HELD_OUT
        same_group += CATEGORIES[pair.old.category] == CATEGORIES[pair.new.category]
    assert same_group >= COUNT - 1


def test_recoloured_object_keeps_all_but_its_colour(pairs):
    for pair in pairs["recoloured"]:
        assert pair.old.category == pair.new.category
        assert pair.old.colour != pair.new.colour


@pytest.mark.parametrize("kind", ["replaced", "recoloured"])
def test_captions_name_the_old_and_the_new_object(pairs, kind):
    for pair in pairs[kind]:
        old, new = phrase(pair.old), phrase(pair.new)
        assert old in pair.caption_a
        assert pair.caption_a.replace(old, new) == pair.caption_b
        assert pair.caption_b != pair.caption_a


def test_captions_of_unchanged_pairs_claim_a_change(pairs):
    for pair in pairs["unchanged"]:
        assert with_article(pair.old.name) in pair.caption_a
        assert with_article(pair.old.name) not in pair.caption_b
