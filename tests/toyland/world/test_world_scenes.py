"""Scenes: what is drawn is what the scene says."""

from collections import Counter

import numpy as np
import pytest

from imgdiff.toyland.world.sampling import PLAIN, WORLD, can_carry, generator, sample_scene
from imgdiff.toyland.world.scenes import SIDE, draw, extent
from imgdiff.toyland.world.vocabulary import (
    CATEGORIES,
    COLOURS,
    GROUNDS,
    HELD_OUT,
    SIZES,
    USUAL_COLOUR,
    USUAL_GROUND,
    USUAL_PARTNER,
)

SCENES = [sample_scene(generator("validation", seed)) for seed in range(400)]


def test_tables_speak_of_what_exists():
    names = set(CATEGORIES)
    assert set(USUAL_COLOUR) == set(USUAL_PARTNER) == names
    assert set(USUAL_COLOUR.values()) <= set(COLOURS)
    assert not set(USUAL_COLOUR.items()) & HELD_OUT
    assert all(other in names and other != name for name, (other, _) in USUAL_PARTNER.items())
    assert {name for usual in USUAL_GROUND.values() for name in usual} == names
    assert Counter(category for category, _ in HELD_OUT) == dict.fromkeys(CATEGORIES, 1)


def test_masks_are_apart_and_most_of_each_thing_shows():
    for scene in SCENES[:120]:
        picture = draw(scene)
        assert picture.image.shape == (SIDE, SIDE, 3)
        assert picture.masks.sum(0).max() <= 1
        for thing, mask, box in zip(scene.things, picture.masks, picture.boxes_xyxy, strict=True):
            left, top, right, bottom = extent(thing.category)
            whole = (right - left) * (bottom - top) * thing.half**2
            assert mask.sum() > 0.12 * whole
            assert box[0] >= thing.x - 1.05 * thing.half - 1
            assert box[3] <= thing.y + 1.05 * thing.half + 1


def test_sizes_have_a_word_only_beside_the_gaps():
    halves = [thing.half for scene in SCENES for thing in scene.things]
    for low, high in SIZES.values():
        assert any(low <= half <= high for half in halves)
    assert all(any(low <= half <= high for low, high in SIZES.values()) for half in halves)


def test_every_part_of_the_world_comes_up():
    ties = Counter(tie.kind for scene in SCENES for tie in scene.ties)
    assert ties["on"] >= 5
    assert ties["behind"] >= 10
    assert {scene.look for scene in SCENES} == {"plain", "dusk", "outline"}
    assert {len(scene.things) for scene in SCENES} == {1, 2, 3, 4, 5}
    assert any(thing.digit for scene in SCENES for thing in scene.things)
    assert any(len(scene.alike(scene.keys[0])) > 1 for scene in SCENES)


def test_a_thing_on_another_touches_its_upper_edge():
    for scene in SCENES:
        for tie in (tie for tie in scene.ties if tie.kind == "on"):
            picture = draw(scene)
            boxes = dict(zip(scene.keys, picture.boxes_xyxy, strict=True))
            assert abs(boxes[tie.thing][3] - boxes[tie.other][1]) <= 3


def test_a_thing_behind_another_is_partly_hidden_by_it():
    for scene in SCENES:
        for tie in (tie for tie in scene.ties if tie.kind == "behind"):
            alone = draw(scene.without(tie.other))
            shown = draw(scene)
            k = scene.keys.index(tie.thing)
            before = alone.masks[scene.without(tie.other).keys.index(tie.thing)].sum()
            assert 0.3 < shown.masks[k].sum() / before < 1


def test_plain_scenes_have_nothing_of_the_rest():
    scenes = [sample_scene(generator("validation", seed), PLAIN) for seed in range(300)]
    assert {len(scene.things) for scene in scenes} == {1, 2, 3}
    for scene in scenes:
        assert scene.look == "plain"
        assert not scene.ties
        assert not any(thing.digit for thing in scene.things)
        assert len({thing.name for thing in scene.things}) == len(scene.things)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_digit_changes_pixels_of_its_thing_alone(category):
    for seed in range(40):
        scene = sample_scene(generator("test", seed), PLAIN, count=1).with_thing(0, half=30.0)
        scene = scene.with_thing(0, category=category, x=64.0, y=64.0)
        if not can_carry(scene, 0):
            return
        plain, numbered = draw(scene), draw(scene.with_thing(0, digit=str(1 + seed % 9)))
        changed = (plain.image != numbered.image).any(-1)
        assert changed.sum() > 10
        assert not (changed & ~plain.masks[0]).any()


def test_usual_things_are_usual():
    scenes = [sample_scene(generator("train", seed)) for seed in range(3000)]
    usual = np.mean([t.colour == USUAL_COLOUR[t.category] for s in scenes for t in s.things])
    assert 0.3 < usual < 0.5
    grounds = {c: g for g, names in USUAL_GROUND.items() for c in names}
    on_usual = np.mean([s.ground == grounds[t.category] for s in scenes for t in s.things])
    assert on_usual > 1.5 / len(GROUNDS)


def test_the_mix_says_how_often():
    scenes = [sample_scene(generator("train", seed)) for seed in range(3000)]
    dusk = np.mean([scene.look == "dusk" for scene in scenes])
    assert dusk == pytest.approx(WORLD.dusk, abs=0.025)
    counts = Counter(len(scene.things) for scene in scenes)
    for number, share in enumerate(WORLD.counts, start=1):
        assert counts[number] / 3000 == pytest.approx(share, abs=0.035)
