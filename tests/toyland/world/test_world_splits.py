"""Splits share no scene, and only the judge ever sees a combination that is held out."""

import pytest

from imgdiff.toyland.world.changes import CHANGES, changed_pair, planted
from imgdiff.toyland.world.sampling import generator, judge_scene, sample_scene
from imgdiff.toyland.world.vocabulary import HELD_OUT

COUNTS = pytest.mark.parametrize("count", [600, pytest.param(6000, marks=pytest.mark.slow)])


def scenes_of(split, count):
    return [sample_scene(generator(split, seed)) for seed in range(count)]


@COUNTS
def test_no_scene_is_in_two_splits(count):
    digests = {
        split: {scene.digest() for scene in scenes_of(split, count)}
        for split in ("train", "validation", "test")
    }
    digests["judge"] = {judge_scene(seed).digest() for seed in range(count)}
    assert all(len(found) == count for found in digests.values())
    assert len(set.union(*digests.values())) == 4 * count


def test_a_digest_tells_scenes_apart_and_knows_them_again():
    one, again = (sample_scene(generator("train", 5)) for _ in range(2))
    assert one.digest() == again.digest()
    moved = one.with_thing(one.keys[0], x=one.things[0].x + 1e-6)
    assert one.digest() != moved.digest()


@COUNTS
def test_held_out_combinations_are_in_no_split_but_the_judges(count):
    for split in ("train", "validation", "test"):
        assert not any(scene.combinations & HELD_OUT for scene in scenes_of(split, count))
    of_judge = [bool(judge_scene(seed).combinations & HELD_OUT) for seed in range(1000)]
    assert 0.15 < sum(of_judge) / 1000 < 0.25


def test_no_change_makes_a_combination_that_is_held_out():
    for kind in CHANGES:
        for seed in range(150):
            rng = generator("train", seed)
            other = planted(sample_scene(rng), rng, [kind])
            assert other is None or not other.combinations & HELD_OUT


def test_held_out_ones_come_where_they_are_asked_for():
    for seed in range(50):
        scene = sample_scene(generator("test", seed), held_out=True)
        first = scene[0]
        assert (first.category, first.colour) in HELD_OUT
    pair = changed_pair(generator("test", 1), ["replace"])
    assert not (pair.scenes[0].combinations | pair.scenes[1].combinations) & HELD_OUT
