"""region_caption_matching_filter: each caption against its own crop."""

import pytest

from imgdiff.operators.difference_captions.region_caption_matching_filter import (
    RegionCaptionMatchingFilter,
)
from imgdiff.testing import run_operator

A, B = (10, "A car."), (70, "A boat.")


def match(models, row, **params):
    (row,) = run_operator(RegionCaptionMatchingFilter, [row], models, **params)
    return row


def test_each_caption_is_tested_against_its_own_crop(models, pair_row):
    models.matcher().itc.update({A: 0.5, B: 0.5})
    row = match(models, pair_row())
    assert models.matcher().asked == [A, B]
    assert row.ok


@pytest.mark.parametrize("fitting", [A, B])
def test_both_captions_must_fit_unless_told_otherwise(models, pair_row, fitting):
    models.matcher().itc[fitting] = 0.5
    assert not match(models, pair_row()).ok
    assert match(models, pair_row(), rule="any").ok


def test_refused_regions_keep_their_scores(models, pair_row):
    models.matcher().itc[A] = 0.25
    models.matcher().itm[B] = 0.75
    row = match(models, pair_row(), min_itm=0.0)
    (region,) = row.regions
    assert region.reason == "region_caption_matching_filter: caption_unfit"
    assert region.scores == {
        "caption_itc_a": 0.25,
        "caption_itc_b": 0.0,
        "caption_itm_a": 0.0,
        "caption_itm_b": 0.75,
    }
    assert (row.status, row.reason) == (
        "rejected",
        "region_caption_matching_filter: no_fitting_caption",
    )
    assert row.message == "none of 1 areas passed region_caption_matching_filter"
