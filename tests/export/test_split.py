"""Which side a hash falls on: the ends of its range, and the boundary itself."""

import pytest

from imgdiff.export import split
from imgdiff.testing import make_row

LARGEST = 2**63 - 1  # of a seed
HALF = 2**62


@pytest.mark.parametrize(
    ("seed", "fraction", "side"),
    [
        (0, 0.0, "train"),  # nothing is held back, not even the smallest share
        (0, 2.0**-53, "validation"),
        (HALF, 0.5, "train"),  # the boundary belongs to the upper side
        (HALF - 1, 0.5, "validation"),
        (LARGEST, 0.5, "train"),
        (LARGEST, 1.0, "validation"),  # everything is held back, even the largest share
    ],
)
def test_sides_at_the_ends_and_at_the_boundary(monkeypatch, seed, fraction, side):
    monkeypatch.setattr(split, "derive_seed", lambda *_: seed)
    assert split.Split(42, fraction).side(make_row(caption_a="a red car")) == side


def test_a_caption_keeps_its_side_for_ever():
    """Another list here moves samples between training and validation of data that is out."""
    rows = [make_row(caption_a=f"a red car number {k}") for k in range(12)]
    sides = "".join(split.Split(42, 0.5).side(row)[0] for row in rows)
    assert sides == "tvtvvtttvttv"
