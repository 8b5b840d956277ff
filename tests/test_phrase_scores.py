"""Windows over an image, and the scores of phrases made of them."""

import numpy as np
import pytest

from imgdiff.models.phrase_scores import (
    PhraseScorer,
    aggregated,
    patch_scores,
    sliding_windows,
)


def test_windows_of_the_paper():
    """COCO's 640 x 480 pixels: 192 pixels wide, in steps of 48 (EFUF)."""
    windows = sliding_windows(480, 640, 0.4, 0.1)
    assert windows.shape == (7 * 11, 4)  # the last step in width is shorter, none is longer
    assert (windows[:, 2:] - windows[:, :2] == 192).all()
    assert windows[0].tolist() == [0, 0, 192, 192]
    assert windows[-1].tolist() == [448, 288, 640, 480]
    assert np.diff(np.unique(windows[:, 1])).tolist() == [48] * 6
    assert np.diff(np.unique(windows[:, 0])).max() <= 48


@pytest.mark.parametrize(
    ("high", "wide", "window", "stride"),
    [(128, 128, 0.4, 0.1), (97, 31, 0.33, 0.33), (10, 50, 1, 1), (1, 3, 0.5, 0.5)],
)
def test_windows_lie_inside_and_leave_nothing_out(high, wide, window, stride):
    windows = sliding_windows(high, wide, window, stride)
    seen = np.zeros((high, wide), bool)
    for left, top, right, bottom in windows:
        assert 0 <= left < right <= wide
        assert 0 <= top < bottom <= high
        seen[top:bottom, left:right] = True
    assert seen.all()
    patches = patch_scores(np.ones((len(windows), 1)), windows, stride)
    np.testing.assert_allclose(patches, 1)  # every patch is covered


def test_a_patch_is_the_mean_of_the_windows_over_it():
    windows = sliding_windows(2, 3, 1, 0.5)  # two squares that share the middle column
    cosines = np.array([[0.2], [0.6]], np.float32)
    patches = patch_scores(cosines, windows, 0.5).reshape(2, 3)
    np.testing.assert_allclose(patches, [[0.2, 0.4, 0.6]] * 2, rtol=1e-6)


def test_aggregates():
    windows = sliding_windows(2, 3, 1, 0.5)
    cosines = np.array([[0.2, -0.1], [0.6, -0.3]], np.float32)
    best = aggregated(cosines, windows, 0.5, "max")
    np.testing.assert_allclose(best, [0.6, -0.1])
    top = aggregated(cosines, windows, 0.5, "top_patches")  # .6 .6 .4 .4 and -.1 -.1 -.2 -.2
    np.testing.assert_allclose(top, [0.5, -0.15], rtol=1e-6)


class CountingClip:
    """Pictures by their mean and texts by the number in them, as angles; counts all of them."""

    def __init__(self):
        self.pictures, self.texts = 0, []

    def embed_images(self, pictures):
        self.pictures += len(pictures)
        return _unit([picture.mean() for picture in pictures])

    def embed_texts(self, texts):
        self.texts += texts
        return _unit([float(text.split()[1]) for text in texts])


def _unit(degrees):
    angles = np.radians(np.array(degrees, np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def test_each_window_and_each_text_is_embedded_once():
    clip = CountingClip()
    pictures = [np.full((20, 20, 3), 90, np.uint8), np.zeros((20, 40, 3), np.uint8)]
    scorer = PhraseScorer(clip, "see {phrase} here")
    scores = scorer.in_windows(pictures, [["0", "90"], ["0"]], 0.5, 0.25, "max")
    assert clip.pictures == 3 * 3 + 3 * 7
    assert clip.texts == ["see 0 here", "see 90 here"]
    np.testing.assert_allclose(scores[0], [0, 1], atol=1e-6)
    np.testing.assert_allclose(scores[1], [1], atol=1e-6)


def test_a_small_thing_is_found_by_the_best_window():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[20:30, 10:20] = 60
    scorer = PhraseScorer(CountingClip(), "see {phrase}")
    (best,) = scorer.in_windows([picture], [["60"]], 0.25, 0.25, "max")
    (whole,) = scorer.of_pictures([picture], [["60"]])
    assert best[0] == pytest.approx(1)
    assert whole[0] == pytest.approx(np.cos(np.radians(60 - 60 / 16)), abs=1e-5)


def test_nothing_to_score():
    scorer = PhraseScorer(CountingClip(), "see {phrase}")
    picture = np.zeros((8, 8, 3), np.uint8)
    assert [len(s) for s in scorer.in_windows([picture], [[]], 0.5, 0.5, "max")] == [0]
    assert [len(s) for s in scorer.of_pictures([picture], [[]])] == [0]
    assert scorer.of_pictures([], []) == []
