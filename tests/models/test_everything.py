"""Everything mode: what is kept of the masks, and how much memory they take."""

import numpy as np
import pytest
import torch

from imgdiff.models.everything import Segments, find_everything, point_grid
from imgdiff.models.memory import CPU_BYTES, SHARE, Parts

WIDE, HIGH = 12, 8
SIZE = (HIGH, WIDE)
BOXES = [(1, 2, 5, 6), (1, 2, 5, 7), (6, 0, 12, 8), (0, 0, 0, 0)]  # the last is empty
STEEP, FLAT = 8.0, 0.5  # a mask whose logits are flat changes with the cutoff


def logits_of(box, steepness=STEEP):
    left, top, right, bottom = box
    logits = torch.full(SIZE, -steepness)
    logits[top:bottom, left:right] = steepness
    return logits


def unchanged(logits):
    return logits


def plenty():
    return Parts("segmenter", lambda: CPU_BYTES / SHARE)


def find(masks, quality, *thresholds):
    """What everything mode keeps of these masks, given in one answer."""
    segments = Segments(unchanged, SIZE, plenty())
    answer = torch.stack(masks), torch.tensor(quality)
    return find_everything(torch.zeros(1, 2), lambda points: answer, segments, *thresholds)


def test_the_best_first_without_what_overlaps_or_is_empty():
    found = find([logits_of(box) for box in BOXES], [0.7, 0.9, 0.8, 0.99], 0.0, 0.0, 0.7)
    assert [segment["box_xyxy"] for segment in found] == [(1, 2, 5, 7), (6, 0, 12, 8)]
    assert [segment["score"] for segment in found] == pytest.approx([0.9, 0.8])


def test_the_masks_are_run_lengths_down_the_columns():
    (segment,) = find([logits_of((1, 2, 3, 6))], [0.9], 0.0, 0.0, 0.7)
    assert segment["mask"] == {"size": [8, 12], "counts": [10, 4, 4, 4, 74]}


@pytest.mark.parametrize(
    ("thresholds", "kept"), [((0.75, 0.0), 2), ((0.0, 0.9), 1), ((0.95, 0), 0)]
)
def test_thresholds(thresholds, kept):
    masks = [logits_of(BOXES[0], FLAT), logits_of(BOXES[0]), logits_of(BOXES[2], FLAT)]
    assert len(find(masks, [0.7, 0.8, 0.9], *thresholds, 0.7)) == kept


@pytest.mark.parametrize(("side", "masks"), [(128, 192), (1024, 128), (6000, 3), (20_000, 1)])
def test_masks_of_a_large_picture_are_enlarged_in_smaller_parts(side, masks):
    enlarged = []

    def enlarge(logits):
        enlarged.append(len(logits))
        return logits

    Segments(enlarge, (side, side), plenty()).add(torch.zeros(192, 2, 2), torch.zeros(192))
    assert (max(enlarged), sum(enlarged)) == (masks, 192)


def test_masks_that_do_not_fit_are_enlarged_in_halves():
    def enlarge(logits):
        if len(logits) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits

    segments = Segments(enlarge, SIZE, plenty())
    segments.add(torch.stack([logits_of(box) for box in BOXES]), torch.tensor([0.7, 0.9, 0.8, 0.6]))
    assert [segment["box_xyxy"] for segment in segments.best(0.7)] == [(1, 2, 5, 7), (6, 0, 12, 8)]


def test_points_share_batches():
    asked = []

    def ask(points):
        asked.append(len(points))
        return torch.zeros(0, *SIZE), torch.zeros(0)

    points = torch.as_tensor(point_grid(10, SIZE))
    assert find_everything(points, ask, Segments(unchanged, SIZE, plenty()), 0.0, 0.0, 0.7) == []
    assert asked == [64, 36]


def test_the_grid_covers_a_picture_of_any_shape():
    grid = point_grid(2, SIZE)
    np.testing.assert_allclose(grid, [(3, 2), (9, 2), (3, 6), (9, 6)])
