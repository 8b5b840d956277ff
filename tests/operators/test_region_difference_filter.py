"""region_difference_filter: boxes whose crops differ, the most different first."""

import pytest

from imgdiff.operators.difference_area.region_difference_filter import RegionDifferenceFilter
from imgdiff.testing import run_operator

# 16 x 16 boxes in a 64 x 64 picture: a sixteenth of it each
CORNERS = [(0, 0, 16, 16), (32, 0, 48, 16), (0, 32, 16, 48), (32, 32, 48, 48)]


def compare(models, row, **params):
    (row,) = run_operator(RegionDifferenceFilter, [row], models, **params)
    return row


def codes(row):
    return [region.reason.removeprefix("region_difference_filter: ") for region in row.regions]


def test_crops_that_look_alike_are_refused(models, boxes_row):
    row = compare(models, boxes_row({CORNERS[0]: (10, 70), CORNERS[1]: (10, 20)}))
    assert codes(row) == ["", "crops_alike"]
    assert [r.scores["crop_similarity"] for r in row.regions] == pytest.approx(
        [0.5, 0.985], abs=1e-3
    )
    assert row.ok


def test_row_without_differences_is_rejected_with_its_scores(models, boxes_row):
    row = compare(models, boxes_row({CORNERS[0]: (10, 10)}))
    assert (row.status, row.reason) == ("rejected", "region_difference_filter: no_difference_area")
    assert row.message == "none of 1 areas passed region_difference_filter"
    assert row.regions[0].scores == pytest.approx({"crop_similarity": 1.0, "area": 1 / 16})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["", ""]),
        ({"min_area": 1 / 16}, ["", ""]),
        ({"min_area": 0.1}, ["too_small", ""]),
        ({"max_area": 0.1}, ["", "too_large"]),
        ({"max_area": 0.25}, ["", ""]),
    ],
)
def test_areas(models, boxes_row, params, expected):
    row = boxes_row({(0, 0, 16, 16): (10, 90), (32, 32, 64, 64): (10, 90)})
    row = compare(models, row, **params)
    assert codes(row) == expected
    assert [region.scores["area"] for region in row.regions] == [1 / 16, 1 / 4]


def test_only_the_most_different_are_kept(models, boxes_row):
    levels = [(0, 50), (0, 90), (0, 40), (0, 70)]
    row = compare(models, boxes_row(dict(zip(CORNERS, levels, strict=True))), max_regions=2)
    assert codes(row) == ["over_limit", "", "over_limit", ""]


def test_box_that_overlaps_a_more_different_one_is_refused(models, boxes_row):
    # the inner box lies in the outer one (IoU 0.64) and has its centre pixel to itself
    outer, inner = (0, 0, 20, 20), (0, 0, 16, 16)
    row = boxes_row({outer: (0, 60), inner: (0, 60)})
    row.regions[0].box_xyxy, row.regions[1].box_xyxy = outer, inner
    assert codes(compare(models, row, nms_iou=0.5)) == ["", "overlaps"]
    assert codes(compare(models, row, nms_iou=0.64)) == ["", ""]  # the limit itself passes


def test_refused_box_does_not_suppress_others(models, boxes_row):
    # the large one is more different, but too large; what it covers may stay
    large, small = (0, 0, 32, 32), (0, 0, 24, 24)
    row = boxes_row({large: (0, 90), small: (0, 60)})
    assert codes(compare(models, row, max_area=0.2)) == ["too_large", ""]


def test_thresholds_for_the_report():
    params = RegionDifferenceFilter.Params(max_similarity=0.7, min_area=0.01, max_area=0.5)
    assert RegionDifferenceFilter(params).thresholds() == {
        "crop_similarity": (None, 0.7),
        "area": (0.01, 0.5),
    }
