"""region_caption_similarity_filter: the two captions of a box say different things."""

import pytest

from imgdiff.data.rows import Region
from imgdiff.operators.difference_captions.region_caption_similarity_filter import (
    RegionCaptionSimilarityFilter,
)
from imgdiff.testing import run_operator

BOX = (8.0, 8.0, 24.0, 24.0)


def compare(models, row, **params):
    (row,) = run_operator(RegionCaptionSimilarityFilter, [row], models, **params)
    return row


@pytest.fixture
def row(pair_row):
    captions = [("A car.", "A boat."), ("A car.", "One car.")]
    return pair_row(regions=[Region(BOX, "a", caption_a=a, caption_b=b) for a, b in captions])


def test_captions_that_say_the_same_are_refused(models, row):
    models.clip().text_degrees = {"A boat.": 60, "One car.": 10}
    row = compare(models, row)
    assert [region.reason for region in row.regions] == [
        "",
        "region_caption_similarity_filter: captions_alike",
    ]
    scores = [region.scores["caption_similarity"] for region in row.regions]
    assert scores == pytest.approx([0.5, 0.985], abs=1e-3)
    assert row.ok


def test_refused_region_does_not_come_back_with_the_captions_of_a_kept_one(models, row):
    row.regions[1].caption_b = "A boat."
    row.regions[1].reject("earlier", "bad")
    models.clip().text_degrees = {"A boat.": 60}
    assert compare(models, row).regions[1].reason == "earlier: bad"


def test_limit(models, row):
    models.clip().text_degrees = {"A boat.": 60, "One car.": 80}
    assert len(compare(models, row, max_similarity=0.3).kept_regions) == 1


def test_row_whose_captions_all_agree_is_rejected(models, row):
    row = compare(models, row)
    assert (row.status, row.reason) == (
        "rejected",
        "region_caption_similarity_filter: no_different_captions",
    )
    assert row.message == "none of 2 areas passed region_caption_similarity_filter"
    assert [region.scores["caption_similarity"] for region in row.regions] == [1.0, 1.0]


def test_thresholds_for_the_report():
    params = RegionCaptionSimilarityFilter.Params(max_similarity=0.7)
    thresholds = RegionCaptionSimilarityFilter(params).thresholds()
    assert thresholds == {"caption_similarity": (None, 0.7)}


def test_equal_captions_score_one_and_not_a_rounding_error_more(models, row):
    models.clip().text_degrees = dict.fromkeys(("A car.", "A boat.", "One car."), 38)
    row = compare(models, row, max_similarity=1.0)
    assert [region.scores["caption_similarity"] for region in row.regions] == [1.0, 1.0]
    assert row.ok
