"""region_caption_agreement_filter: region captions as witnesses of the edit."""

import pytest

from imgdiff.data.rows import Region
from imgdiff.operators.difference_captions.region_caption_agreement_filter import (
    RegionCaptionAgreementFilter,
)
from imgdiff.testing import run_operator

NAME = "region_caption_agreement_filter"


def hear(models, row, difference=False, **params):
    params |= {"difference": difference}
    (row,) = run_operator(RegionCaptionAgreementFilter, [row], models, **params)
    return row


def boxes(*captions):
    """A box for each pair of captions, each larger than the one before."""
    return [
        Region((8.0, 8.0, 16.0 + k, 16.0), "a", caption_a=a, caption_b=b)
        for k, (a, b) in enumerate(captions)
    ]


@pytest.fixture
def red_row(pair_row):
    """red_row((A's region caption, B's), ...): a red car becomes a red boat."""

    def make(*captions, **values):
        given = {"caption_a": "a red car on sand", "caption_b": "a red boat on sand"} | values
        return pair_row(regions=boxes(*captions), **given)

    return make


def test_both_sides_must_agree(models, red_row):
    said = [("A red car.", "A red boat."), ("A red car.", "A red mug."), ("A mug.", "A red boat.")]
    row = hear(models, red_row(*said))
    refused = f"{NAME}: caption_disagrees"
    assert [region.reason for region in row.regions] == ["", refused, refused]
    assert [tuple(region.scores.values()) for region in row.regions] == [(1, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize(("least", "kept"), [(1.0, False), (0.5, True)])
def test_how_much_must_agree(models, red_row, least, kept):
    assert hear(models, red_row(("A car.", "A blue boat.")), min_agreement=least).ok == kept


def test_the_largest_boxes_are_kept(models, red_row):
    said = [("A red car.", "A red boat.")] * 2 + [("A red mug.", "A red boat.")]
    row = hear(models, red_row(*said), max_regions=1)
    assert [region.reason.removeprefix(f"{NAME}: ") for region in row.regions] == [
        "over_limit",
        "",
        "caption_disagrees",
    ]


def test_of_something_added_b_alone_is_asked(models, red_row):
    row = red_row(
        ("Nothing but sand.", "A blue boat."), caption_b="a red car and a blue boat on sand"
    )
    row = hear(models, row)
    assert row.regions[0].scores == {"caption_agreement_b": 1}
    assert row.ok


def test_row_without_agreement_is_rejected(models, red_row):
    row = hear(models, red_row(("A red car.", "A red car.")))
    assert (row.status, row.reason) == ("rejected", f"{NAME}: no_agreement")


def test_captions_that_exchange_nothing_known(models, red_row):
    captions = {"caption_a": "a red car at dawn", "caption_b": "a red car at dusk"}
    row = hear(models, red_row(("A red car.", "A red boat."), **captions))
    assert (row.status, row.reason) == ("rejected", f"{NAME}: nothing_named")
    assert row.message == "no noun of the lexicon stands where the captions differ"
    assert row.regions[0].reason == ""


def test_the_lexicon_is_the_one_that_was_asked_for(models, red_row):
    captions = {"caption_a": "a dog on sand", "caption_b": "a cat on sand"}
    for lexicon, known in {"english": True, "toyland": False}.items():
        row = red_row(("A puppy.", "A cat."), **captions)
        assert hear(models, row, lexicon=lexicon).ok == known


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The left image shows a red car, while the right image shows a red boat.", True),
        ("The left image shows a red car, while the right image shows a blue boat.", False),
        ("Both images show a red car.", False),
    ],
)
def test_the_difference_must_name_both(models, red_row, said, kept):
    row = red_row(("A red car.", "A red boat."))
    row.regions[0].difference = said
    assert hear(models, row, difference=True).ok == kept
    assert hear(models, row).ok


def test_what_is_read_and_left():
    made = RegionCaptionAgreementFilter(RegionCaptionAgreementFilter.Params())
    assert made.reads[-1] == "regions.difference"
    assert made.region_scores[-1] == "difference_agreement"
    early = RegionCaptionAgreementFilter(RegionCaptionAgreementFilter.Params(difference=False))
    assert "regions.difference" not in early.reads
    assert len(early.region_scores) == 2


def test_thresholds_for_the_report():
    params = RegionCaptionAgreementFilter.Params(min_agreement=0.5)
    assert RegionCaptionAgreementFilter(params).thresholds() == {
        "caption_agreement_a": (0.5, None),
        "caption_agreement_b": (0.5, None),
        "difference_agreement": (0.5, None),
    }
