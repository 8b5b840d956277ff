"""region_erasure_filter: the object is there in A and gone in B."""

import pytest

from imgdiff.operators.difference_captions.region_erasure_filter import RegionErasureFilter
from imgdiff.testing import run_operator

NAME = "region_erasure_filter"
BEFORE, AFTER = (10, "A car."), (70, "A car.")


def erased(models, row, **params):
    (row,) = run_operator(RegionErasureFilter, [row], models, **params)
    return row


def test_the_caption_of_a_is_matched_with_both_crops(models, pair_row):
    erased(models, pair_row())
    assert models.matcher().asked == [BEFORE, AFTER]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (0.36, 0.19, ""),
        (0.34, 0.19, "caption_unfit"),
        (0.36, 0.21, "still_there"),
        (0.34, 0.21, "caption_unfit"),
    ],
)
def test_it_must_be_there_before_and_gone_after(models, pair_row, before, after, code):
    models.matcher().itc.update({BEFORE: before, AFTER: after})
    row = erased(models, pair_row())
    (region,) = row.regions
    assert region.reason == (code and f"{NAME}: {code}")
    assert row.ok == (not code)
    assert region.scores["erasure_itc_a"] == pytest.approx(before)
    assert region.scores["erasure_itc_b"] == pytest.approx(after)


def test_row_without_an_erased_object_is_rejected(models, pair_row):
    row = erased(models, pair_row())
    assert (row.status, row.reason) == ("rejected", f"{NAME}: nothing_erased")
    assert row.message == "none of 1 areas passed region_erasure_filter"


def test_thresholds_are_those_of_the_recipe():
    params = RegionErasureFilter.Params(min_before=0.3, max_after=0.1)
    limits = {"erasure_itc_a": (0.3, None), "erasure_itc_b": (None, 0.1)}
    assert RegionErasureFilter(params).thresholds() == limits
