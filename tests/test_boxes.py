"""Areas and overlaps of boxes."""

import pytest

from imgdiff.data.boxes import area, iou


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 4, 5), 20),
        ((1.5, 1, 3.5, 2), 2),
        ((3, 3, 3, 9), 0),
        ((4, 4, 0, 0), 0),  # upside down both ways: no positive area
        ((0, 4, 4, 0), 0),
    ],
)
def test_area(box, expected):
    assert area(box) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (2, 0, 6, 4), 1 / 3),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0),  # they touch
        ((0, 0, 4, 4), (9, 9, 12, 12), 0),
        ((0, 0, 4, 4), (9, 0, 12, 4), 0),
        ((2, 2, 2, 2), (2, 2, 2, 2), 0),  # both empty
        ((0, 0, 4, 4), (2, 2, 2, 2), 0),
    ],
)
def test_iou(one, other, expected):
    assert iou(one, other) == pytest.approx(expected)
    assert iou(other, one) == pytest.approx(expected)
