"""Views: pictures, their texts, and what stands at every pixel."""

import cv2
import numpy as np
import pytest

from imgdiff.toyland import views
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.views import (
    CATEGORY_INDEX,
    COLOUR_INDEX,
    View,
    ground_crop,
    label_map,
    object_crop,
    render,
    shaken,
    softened,
    view,
    whole,
)
from imgdiff.toyland.vocabulary import COLOURS, GROUNDS, with_article

SEEDS = range(20)


def scene_and_rng(seed):
    rng = generator("train", seed)
    return sample_scene(rng), rng


def numbers(thing):
    return CATEGORY_INDEX[thing.category], COLOUR_INDEX[thing.colour]


def found(labels):
    """The pairs of numbers in a label map, without the ground."""
    return {tuple(pair) for pair in labels.reshape(-1, 2).tolist()} - {(0, 0)}


@pytest.fixture
def as_drawn(monkeypatch):
    """No scene is softened."""
    monkeypatch.setattr(views, "softened", lambda image, rng: image)


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_of_a_scene_are_its_masks(seed):
    scene, _ = scene_and_rng(seed)
    picture = draw(scene)
    labels = label_map(scene, picture)
    assert not labels[~picture.masks.any(0)].any()
    for thing, mask in zip(scene.objects, picture.masks, strict=True):
        assert (labels[mask] == numbers(thing)).all()


def test_whole_scene_has_its_caption(as_drawn):
    scene, rng = scene_and_rng(0)
    seen = whole(scene, rng)
    np.testing.assert_array_equal(seen.image, draw(scene).image)
    (caption,) = seen.texts
    assert all(phrase(thing) in caption for thing in scene.objects)
    assert found(seen.labels) == {numbers(thing) for thing in scene.objects}


@pytest.mark.parametrize("seed", SEEDS)
def test_crop_shows_what_it_says(as_drawn, seed):
    scene, rng = scene_and_rng(seed)
    for k, thing in enumerate(scene.objects):
        seen = object_crop(scene, rng, k)
        assert seen.texts == (phrase(thing), with_article(thing.category))
        assert seen.image.shape[0] == seen.image.shape[1]
        assert seen.labels.shape[:2] == seen.image.shape[:2]
        assert numbers(thing) in found(seen.labels)
        named = (seen.labels == numbers(thing)).all(-1)
        body = seen.image[named].astype(int)
        near = np.abs(body - COLOURS[thing.colour]).max(-1) < 12
        assert near.mean() > 0.05  # labels and pixels are cut alike


@pytest.mark.parametrize("seed", SEEDS)
def test_ground_crop_is_empty(seed):
    scene, rng = scene_and_rng(seed)
    seen = ground_crop(scene, rng)
    assert seen.texts == (f"nothing but {scene.ground}",)
    assert scene.ground in GROUNDS
    assert (seen.labels[..., 0] > 0).mean() < 0.05
    assert seen.labels.shape[:2] == seen.image.shape[:2]


def test_patch_takes_the_thing_that_fills_most_of_it():
    labels = np.zeros((8, 8, 2), np.uint8)
    labels[0:4, 0:3] = 3, 5  # three quarters of the first patch
    labels[0:4, 4:5] = 2, 1  # a quarter of the second: ground
    labels[4:8, 0:2] = 2, 1  # half of the third,
    labels[4:8, 2:4] = 1, 1  # where the first of two equals stays
    patches = View(np.zeros((8, 8, 3), np.uint8), (), labels).patch_labels(2)
    assert patches.dtype == np.int64
    assert patches[0].tolist() == [[3, 5], [0, 0]]
    assert patches[1].tolist() == [[1, 1], [0, 0]]


def test_patches_agree_with_the_labels():
    scene, rng = scene_and_rng(1)
    seen = whole(scene, rng)
    patches = seen.patch_labels(16)
    blocks = seen.labels.reshape(16, 8, 16, 8, 2).transpose(0, 2, 1, 3, 4).reshape(16, 16, 64, 2)
    full = (blocks == blocks[:, :, :1]).all((2, 3))  # one thing, or ground, in the whole patch
    assert full.any()
    np.testing.assert_array_equal(patches[full], blocks[full][:, 0])


@pytest.mark.parametrize("side", [32, 200])
def test_resized(side):
    scene, rng = scene_and_rng(2)
    seen = whole(scene, rng)
    resized = seen.resized(side)
    assert resized.shape == (side, side, 3)
    assert abs(resized.mean() - seen.image.mean()) < 2


def test_shaken_box_moves_by_a_share_of_its_size():
    box = np.array([10.0, 20, 50, 40])
    moved = np.array([shaken(box, generator("train", s), by=0.1) for s in range(200)]) - box
    assert (np.abs(moved) <= [4, 2, 4, 2]).all()
    assert (np.abs(moved).max(0) > [3, 1.5, 3, 1.5]).all()


def test_kinds_of_views():
    texts = [view(generator("train", seed)).texts[0] for seed in range(300)]
    empty = np.mean([text.startswith("nothing but") for text in texts])
    crops = np.mean([" on the " not in t and not t.startswith("nothing") for t in texts])
    assert empty == pytest.approx(0.15, abs=0.06)
    assert crops == pytest.approx(0.50, abs=0.08)


class TestSoftened:
    @pytest.mark.parametrize("make", [whole, object_crop, ground_crop])
    def test_half_of_the_views_are(self, monkeypatch, make):
        magenta = (255, 0, 255)  # nothing in toyland has it
        monkeypatch.setattr(views, "softened", lambda image, rng: np.full_like(image, magenta))
        pictures = [make(*scene_and_rng(seed)).image for seed in range(80)]
        marked = [(image == magenta).all(-1).any() for image in pictures]
        assert np.mean(marked) == pytest.approx(0.5, abs=0.12)

    def test_masks_and_boxes_stay(self):
        changed = 0
        for seed in SEEDS:
            scene, rng = scene_and_rng(seed)
            drawn, rendered = draw(scene), render(scene, rng)
            np.testing.assert_array_equal(rendered.masks, drawn.masks)
            np.testing.assert_array_equal(rendered.boxes_xyxy, drawn.boxes_xyxy)
            changed += (rendered.image != drawn.image).any()
        assert 0 < changed < len(SEEDS)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_blurred_but_the_same_picture(self, seed):
        scene, rng = scene_and_rng(seed)
        before = draw(scene).image
        after = softened(before, rng)
        assert after.shape == before.shape
        assert after.dtype == np.uint8
        np.testing.assert_array_equal(before, draw(scene).image)  # not written to
        assert sharpness(after) < sharpness(before)
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.75
        assert 1 < np.abs(after.astype(int) - before).mean() < 30

    def test_same_generator_gives_the_same_picture(self):
        image = draw(scene_and_rng(0)[0]).image
        one, same, other = (softened(image, generator("train", seed)) for seed in (3, 3, 4))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    @pytest.mark.parametrize("value", [0, 255])
    def test_no_value_wraps_around(self, value):
        image = np.full((128, 128, 3), value, np.uint8)
        for seed in SEEDS:
            after = softened(image, generator("train", seed)).astype(int)
            assert np.abs(after - value).max() < 90

    def test_wide_picture_keeps_its_shape(self):
        image = np.full((64, 128, 3), 100, np.uint8)
        assert softened(image, generator("train", 0)).shape == (64, 128, 3)


def sharpness(image):
    return cv2.Laplacian(image, cv2.CV_32F).var()
