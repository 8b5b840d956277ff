"""region_hallucination_filter: each caption's things against its own crop."""

import pytest
from pydantic import ValidationError

from imgdiff.data.rows import Region
from imgdiff.operators.difference_captions.region_hallucination_filter import (
    RegionHallucinationFilter,
)
from imgdiff.testing import run_operator

BOX = (8.0, 8.0, 24.0, 24.0)


def see(models, row, **params):
    settings = {"template": "{phrase}", "min_score": 0.3} | params
    (row,) = run_operator(RegionHallucinationFilter, [row], models, **settings)
    return row


@pytest.mark.parametrize(
    ("car", "boat", "kept"), [(10, 70, True), (90, 70, False), (10, 150, False)]
)
def test_either_side_may_refuse(models, pair_row, car, boat, kept):
    models.clip().text_degrees = {"A car": car, "A boat": boat}
    row = see(models, pair_row(10, 70))
    (region,) = row.regions
    assert row.ok == kept
    reason = "" if kept else "region_hallucination_filter: caption_hallucinates"
    assert region.reason == reason
    assert set(region.scores) == {"phrase_a", "phrase_b"}


def test_the_worst_phrase_counts(models, pair_row):
    models.clip().text_degrees = {"A car": 10, "a mug": 70, "A boat": 70}
    region = Region(BOX, "a", caption_a="A car and a mug.", caption_b="A boat.")
    row = see(models, pair_row(10, 70, regions=[region]))
    assert row.regions[0].scores == pytest.approx({"phrase_a": 0.5, "phrase_b": 1}, abs=1e-6)


def test_a_caption_without_known_nouns_is_a_phrase(models, pair_row):
    models.clip().text_degrees = {"A car": 10, "nothing at all": 130}
    region = Region(BOX, "a", caption_a="A car.", caption_b="Nothing at all.")
    row = see(models, pair_row(10, 70, regions=[region]))
    assert row.regions[0].scores["phrase_b"] == pytest.approx(0.5, abs=1e-6)


def test_row_whose_captions_all_hallucinate_is_rejected(models, pair_row):
    models.clip().text_degrees = {"A car": 120, "A boat": 70}
    row = see(models, pair_row(10, 70))
    expected = "region_hallucination_filter: no_faithful_caption"
    assert (row.status, row.reason) == ("rejected", expected)
    assert row.message == "none of 1 areas passed region_hallucination_filter"


def test_thresholds_for_the_report():
    made = RegionHallucinationFilter(RegionHallucinationFilter.Params(min_score=0.25))
    assert made.thresholds() == {"phrase_a": (0.25, None), "phrase_b": (0.25, None)}


def test_template_without_a_place_for_the_phrase():
    with pytest.raises(ValidationError, match="template has no"):
        RegionHallucinationFilter.Params(template="a photo")
