"""Pairs: the list of differences is exactly what was planted, in words and in pixels."""

import difflib

import numpy as np
import pytest

from imgdiff.toyland.world.changes import CHANGES, changed_pair, make_pair
from imgdiff.toyland.world.nuisances import NUISANCES
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.scenes import draw

SEVERAL = [["replace", "add"], ["attribute", "remove", "size"], ["count", "background"]]


@pytest.mark.parametrize("kind", CHANGES)
def test_one_change_is_one_difference(kind):
    for seed in range(25):
        pair = changed_pair(generator("validation", seed), [kind])
        (found,) = pair.differences
        assert found.kind == kind
        assert pair.captions[0] != pair.captions[1]
        one, other = found.boxes_xyxy
        assert (one is None) == (
            found.phrase_a == "" or (kind == "count" and other is not None and one is None)
        )
        assert one is not None or other is not None


@pytest.mark.parametrize("kind", [k for k in CHANGES if k not in ("background", "style")])
def test_pixels_outside_the_masks_are_equal(kind):
    for seed in range(25):
        pair = changed_pair(generator("validation", seed), [kind])
        changed = (pair.images[0] != pair.images[1]).any(-1)
        (found,) = pair.differences
        about = found.mask_a | found.mask_b
        grown = np.pad(about, 2)
        near = np.any(
            [grown[dy : dy + 128, dx : dx + 128] for dy in range(5) for dx in range(5)], axis=0
        )
        assert changed.any()
        # an antialiased edge is half outside; so is what shows between two thin edges in front
        assert (changed & ~near).sum() <= 12


@pytest.mark.parametrize("kinds", SEVERAL)
def test_several_changes_are_as_many_differences(kinds):
    for seed in range(12):
        pair = changed_pair(generator("validation", seed), kinds)
        assert sorted(d.kind for d in pair.differences) == sorted(kinds)


def test_no_change_is_no_difference():
    pair = changed_pair(generator("validation", 0), [])
    assert pair.differences == ()
    assert (pair.images[0] == pair.images[1]).all()
    assert pair.captions[0] == pair.captions[1]


def test_masks_are_those_of_the_pictures():
    pair = changed_pair(generator("validation", 3), ["replace"])
    (found,) = pair.differences
    for scene, mask in zip(pair.scenes, (found.mask_a, found.mask_b), strict=True):
        assert any((mask == one).all() for one in draw(scene).masks)


def test_captions_of_a_pair_differ_in_few_words():
    for seed in range(40):
        pair = changed_pair(generator("validation", seed), ["attribute"])
        words = [caption.split() for caption in pair.captions]
        same = sum(b.size for b in difflib.SequenceMatcher(None, *words).get_matching_blocks())
        assert len(words[0]) - same <= 2  # the colour, and its article


def test_what_is_said_of_differences():
    said = {
        kind: changed_pair(generator("validation", 1), [kind]).differences[0] for kind in CHANGES
    }
    assert said["add"].phrase_a == ""
    assert said["remove"].phrase_b == ""
    assert {said["style"].phrase_a, said["style"].phrase_b} <= {"plain", "dusk", "outline"}
    assert said["text"].phrase_a != said["text"].phrase_b
    assert said["position"].phrase_a.split(" ")[:3] == said["position"].phrase_b.split(" ")[:3]
    assert any(n in said["count"].phrase_a + said["count"].phrase_b for n in ("two", "three"))


def test_a_scene_that_cannot_bear_a_change_is_told_so():
    scene = sample_scene(generator("test", 0), count=1)
    assert CHANGES["remove"](scene, np.random.default_rng(0)) is None


@pytest.mark.parametrize("name", NUISANCES)
def test_nuisances_change_little_and_something(name):
    rng = np.random.default_rng(0)
    for seed in range(10):
        image = draw(sample_scene(generator("test", seed))).image
        other = NUISANCES[name](image, rng)
        assert other.shape == image.shape
        assert other.dtype == np.uint8
        difference = np.abs(other.astype(int) - image)
        assert 0 < difference.mean() < 40


def test_pairs_can_be_made_of_any_two_scenes():
    scene = sample_scene(generator("test", 8), count=3)
    other = scene.with_thing(scene.keys[0], colour="black", category="duck")
    pair = make_pair(scene, other.without(other.keys[1]), np.random.default_rng(0))
    assert sorted(d.kind for d in pair.differences) in (["remove", "replace"], ["count", "replace"])
