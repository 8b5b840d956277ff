"""Scenes in the hand of the diffusion model: what stands where stays, how it is drawn does not."""

import numpy as np
import pytest

from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland.conversations import TASKS, conversation
from imgdiff.toyland.scenes import draw, generator
from imgdiff.toyland.train.redrawn import RedrawnPool, make_redrawn_pool


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("redrawn") / "pool.npy"


@pytest.fixture(scope="module")
def pool(path):
    return make_redrawn_pool(EMBEDDED_WEIGHTS / "diffusion", path, pairs=2)


def differences(pool, seeds=8):
    """Mean absolute difference (0..1) of redrawn pictures and rendered ones, of their own scenes
    and of others."""
    pairs = [pool.pair(generator("train", seed)) for seed in range(seeds)]
    seen = [(pair.change.scenes[k % 2], pair.pictures[k % 2]) for k, pair in enumerate(pairs)]
    drawn = [draw(scene).image / 255 for scene, _ in seen]
    own = [np.abs(d - p.image / 255).mean() for d, (_, p) in zip(drawn, seen, strict=True)]
    other = [np.abs(d - p.image / 255).mean() for d in drawn for _, p in seen]
    return np.array(own), np.array(other)


def test_the_scene_stays_and_is_not_the_rendered_one(pool):
    own, other = differences(pool)
    assert own.min() > 0.003
    assert own.max() < 0.06
    assert own.max() < other.max() / 2


def test_pictures_are_kept_in_a_file_and_not_drawn_again(pool, path):
    again = make_redrawn_pool(path.parent / "nothing here", path)
    np.testing.assert_array_equal(again.pictures, pool.pictures)


def test_a_pair_has_masks_of_its_scenes_and_two_pictures(pool):
    pair = pool.pair(generator("train", 3))
    for scene, picture in zip(pair.change.scenes, pair.pictures, strict=True):
        assert len(picture.boxes_xyxy) == len(scene.objects) > 0
        assert picture.image.shape == (128, 128, 3)


def test_conversations_show_redrawn_pictures():
    """Marked ones: every task cuts or joins them, none renders the scene."""
    marked = RedrawnPool(np.full((1, 2, 128, 128, 3), (255, 0, 255), np.uint8))
    pair = marked.pair(generator("train", 0))
    asked = set()
    for seed in range(24):
        talk = conversation(generator("train", seed), web=False, redrawn=pair)
        asked.add(talk.turns[0][0][:22])  # `Describe clearly what`, ...
        assert (talk.image == (255, 0, 255)).all(-1).mean() > 0.25
        assert not (talk.image == draw(pair.change.scenes[0]).image[0, 0]).all(-1).any()
    assert len(asked) > len(TASKS)
