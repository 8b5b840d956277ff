"""Scenes: deterministic, consistent, with toyland's habits."""

from collections import Counter

import numpy as np
import pytest

from imgdiff.toyland.scenes import SIZE, SPLITS, draw, generator, replaced_object, sample_scene
from imgdiff.toyland.vocabulary import (
    CATEGORIES,
    COLOURS,
    GROUNDS,
    HELD_OUT,
    PARTNER_SHARE,
    SEEN,
    USUAL_GROUND,
    USUAL_PARTNER,
)

MANY = 3000  # scenes, without drawing them


def scenes(number, **settings):
    return [sample_scene(generator("train", seed), **settings) for seed in range(number)]


class TestVocabulary:
    def test_size(self):
        assert len(CATEGORIES) >= 16
        assert len(COLOURS) == 8
        assert len(GROUNDS) >= 4

    def test_every_category_has_one_colour_that_is_held_out(self):
        assert Counter(category for category, _ in HELD_OUT) == Counter(CATEGORIES.keys())
        assert len(SEEN) + len(HELD_OUT) == len(CATEGORIES) * len(COLOURS)
        assert set(SEEN).isdisjoint(HELD_OUT)

    def test_every_group_has_a_choice(self):
        assert min(Counter(CATEGORIES.values()).values()) >= 3

    def test_habits_name_known_things(self):
        at_home = [category for usual in USUAL_GROUND.values() for category in usual]
        assert sorted(at_home) == sorted(CATEGORIES)
        assert set(USUAL_GROUND) == set(GROUNDS)
        assert set(USUAL_PARTNER) == set(CATEGORIES)
        assert set(USUAL_PARTNER.values()) <= set(CATEGORIES)
        assert all(category != partner for category, partner in USUAL_PARTNER.items())


class TestSeeds:
    def test_same_seed_gives_the_same_picture(self):
        one, other = (sample_scene(generator("train", 5)) for _ in range(2))
        assert one == other
        np.testing.assert_array_equal(draw(one).image, draw(other).image)

    def test_seeds_and_splits_differ(self):
        made = [sample_scene(generator(split, seed)) for split in SPLITS for seed in range(50)]
        assert len(set(made)) == len(made)


class TestHeldOut:
    def test_training_scenes_have_no_held_out_combination(self):
        things = [(t.category, t.colour) for s in scenes(MANY) for t in s.objects]
        assert HELD_OUT.isdisjoint(things)
        assert set(things) == set(SEEN)  # and all others

    def test_first_object_alone_is_held_out_on_request(self):
        for scene in scenes(300, held_out=True):
            held_out = [(t.category, t.colour) in HELD_OUT for t in scene.objects]
            assert held_out == [True] + [False] * (len(scene.objects) - 1)

    def test_replacement_is_no_held_out_combination(self):
        for seed, scene in enumerate(scenes(300, held_out=True)):
            new = replaced_object(generator("test", seed), scene, 0).objects[0]
            assert (new.category, new.colour) not in HELD_OUT


class TestHabits:
    """Shares of a few thousand scenes with fixed seeds, so that nothing here is left to chance."""

    def test_number_of_objects(self):
        counts = Counter(len(scene.objects) for scene in scenes(MANY))
        shares = [counts[n] / MANY for n in (1, 2, 3)]
        np.testing.assert_allclose(shares, [0.3, 0.5, 0.2], atol=0.03)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_count_on_request(self, count):
        assert {len(scene.objects) for scene in scenes(20, count=count)} == {count}

    def test_categories_within_a_scene_differ(self):
        for scene in scenes(500):
            categories = [thing.category for thing in scene.objects]
            assert len(set(categories)) == len(categories)

    def test_usual_ground_is_four_times_as_likely(self):
        """Weights 4, 1, 1, 1: four in seven scenes of one object are on its usual ground."""
        alone = scenes(MANY, count=1)
        at_home = [s.objects[0].category in USUAL_GROUND[s.ground] for s in alone]
        assert np.mean(at_home) == pytest.approx(4 / 7, abs=0.03)
        for ground, usual in USUAL_GROUND.items():
            strangers = [s for s in alone if s.objects[0].category not in usual]
            share = np.mean([s.ground == ground for s in strangers])
            assert share == pytest.approx(1 / 7, abs=0.03)

    def test_usual_partner_is_much_more_likely(self):
        """PARTNER_SHARE, and now and then by chance; any other neighbour is rare."""
        pairs = [[t.category for t in s.objects] for s in scenes(MANY, count=2)]
        usual = np.mean([USUAL_PARTNER[first] == second for first, second in pairs])
        chance = (1 - PARTNER_SHARE) / (len(CATEGORIES) - 1)
        assert usual == pytest.approx(PARTNER_SHARE + chance, abs=0.03)
        cars = Counter(second for first, second in pairs if first == "car")
        assert cars.most_common(1)[0][0] == USUAL_PARTNER["car"]
        assert (
            max(n for name, n in cars.items() if name != USUAL_PARTNER["car"]) < 0.1 * cars.total()
        )


class TestDrawing:
    @pytest.fixture(scope="class")
    @classmethod
    def drawn(cls):
        return [(scene, draw(scene)) for scene in scenes(60)]

    def test_shapes_and_types(self, drawn):
        for scene, picture in drawn:
            count = len(scene.objects)
            assert picture.image.shape == (SIZE, SIZE, 3)
            assert picture.image.dtype == np.uint8
            assert picture.masks.shape == (count, SIZE, SIZE)
            assert picture.boxes_xyxy.shape == (count, 4)
            assert picture.boxes_xyxy.dtype == np.float32

    def test_boxes_are_tight_around_the_masks(self, drawn):
        for _, picture in drawn:
            for mask, box in zip(picture.masks, picture.boxes_xyxy.astype(int), strict=True):
                left, top, right, bottom = box
                inside = np.zeros_like(mask)
                inside[top:bottom, left:right] = True
                assert not (mask & ~inside).any()
                part = mask[top:bottom, left:right]
                assert part[0].any()
                assert part[-1].any()
                assert part[:, 0].any()
                assert part[:, -1].any()

    def test_masks_do_not_share_pixels(self, drawn):
        assert all(picture.masks.sum(0).max() == 1 for _, picture in drawn)

    def test_front_object_hides_the_one_behind(self):
        scene = next(s for s in scenes(100, count=2))
        behind = scene.objects[0]
        moved = scene.with_object(1, x=behind.x, y=behind.y, half=behind.half / 2)
        alone = draw(scene).masks[0].sum()
        hidden = draw(moved)
        assert hidden.masks[1].any()
        assert hidden.masks[0].sum() < alone

    def test_objects_stay_visible(self, drawn):
        """At most three tenths of the smaller square are shared, so most of every object shows."""
        for scene, picture in drawn:
            for k, thing in enumerate(scene.objects):
                alone = draw(type(scene)((thing,), scene.ground, scene.horizon, scene.phase))
                assert picture.masks[k].sum() > 0.4 * alone.masks[0].sum()

    def test_pixels_outside_the_masks_are_the_ground(self, drawn):
        for scene, picture in drawn:
            empty = draw(type(scene)((), scene.ground, scene.horizon, scene.phase))
            changed = (picture.image != empty.image).any(-1)
            covered = grown(picture.masks.any(0))
            assert not (changed & ~covered).any()
            assert changed[picture.masks.any(0)].mean() > 0.9

    def test_body_has_the_objects_colour(self):
        scene = scenes(1, count=1)[0]
        for category, name in SEEN:
            picture = draw(scene.with_object(0, category=category, colour=name))
            body = picture.image[picture.masks[0]].astype(int)
            near = np.abs(body - COLOURS[name]).max(-1) < 12
            assert near.mean() > 0.1, (category, name)

    def test_every_ground_looks_different(self):
        scene = scenes(1)[0]
        lower_edges = {
            ground: draw(type(scene)((), ground, scene.horizon, scene.phase)).image[-1].mean(0)
            for ground in GROUNDS
        }
        assert len({tuple(colour.round()) for colour in lower_edges.values()}) == len(GROUNDS)


def grown(mask):
    """A mask and the pixels around it, whose colours are mixed."""
    padded = np.pad(mask, 1)
    return np.any([np.roll(padded, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], 0)[
        1:-1, 1:-1
    ]


class TestReplacedObject:
    def test_another_of_its_group_in_its_place(self):
        for seed, scene in enumerate(scenes(200)):
            k = seed % len(scene.objects)
            other = replaced_object(generator("test", seed), scene, k)
            old, new = scene.objects[k], other.objects[k]
            assert new.category not in {thing.category for thing in scene.objects}
            assert (new.x, new.y, new.half, new.flip) == (old.x, old.y, old.half, old.flip)
            assert other.objects[:k] + other.objects[k + 1 :] == (
                scene.objects[:k] + scene.objects[k + 1 :]
            )
            group = [c for c, g in CATEGORIES.items() if g == CATEGORIES[old.category]]
            used_up = set(group) <= {thing.category for thing in scene.objects}
            assert used_up or new.category in group

    def test_used_up_group(self):
        scene = scenes(1, count=3)[0]
        for k, category in enumerate(["car", "boat", "rocket"]):
            scene = scene.with_object(k, category=category)
        new = replaced_object(generator("test", 0), scene, 0).objects[0]
        assert CATEGORIES[new.category] != "vehicle"
