"""region_text_matching_filter: A's crop against A's changed noun, B's crop against B's."""

import pytest

from imgdiff.data.rows import Region
from imgdiff.operators.difference_area.region_text_matching_filter import RegionTextMatchingFilter
from imgdiff.testing import run_operator

BOX = (8.0, 8.0, 24.0, 24.0)
A, B = (10, "car"), (70, "boat")  # (level of the crop, noun): what fits
EDIT = {"kind": "replace", "source": "car", "target": "boat"}


def match(models, row, **params):
    (row,) = run_operator(RegionTextMatchingFilter, [row], models, **params)
    return row


@pytest.mark.parametrize("values", [{}, {"edit": EDIT}])
def test_boxes_of_both_images_are_tested_against_the_right_noun(models, pair_row, values):
    row = pair_row(regions=[Region(BOX, "a"), Region(BOX, "b")], **values)
    models.matcher().itc.update({A: 0.5, B: 0.5})
    row = match(models, row, rule="all")
    assert models.matcher().asked == [A, B, A, B]
    assert len(row.kept_regions) == 2


def test_phrases_come_from_the_captions_without_an_edit(models, pair_row):
    row = pair_row(caption_a="a red car on sand", caption_b="a blue car on sand")
    match(models, row)
    assert models.matcher().asked == [(10, "red car"), (70, "blue car")]


@pytest.mark.parametrize(
    ("itc_a", "itc_b", "any_passes", "all_passes"),
    [
        (0.75, 0.5, True, True),  # the limit itself passes
        (0.75, 0.25, True, False),
        (0.25, 0.5, True, False),
        (0.25, 0.25, False, False),
    ],
)
def test_rule(models, pair_row, itc_a, itc_b, any_passes, all_passes):
    models.matcher().itc.update({A: itc_a, B: itc_b})
    assert match(models, pair_row(), rule="any", min_itc=0.5).ok == any_passes
    assert match(models, pair_row(), rule="all", min_itc=0.5).ok == all_passes


def test_itm_is_asked_where_the_recipe_says_so(models, pair_row):
    models.matcher().itc.update({A: 0.9, B: 0.9})
    models.matcher().itm.update({A: 0.2, B: 0.8})
    assert match(models, pair_row(), rule="all", min_itm=0.1).ok
    assert not match(models, pair_row(), rule="all", min_itm=0.5).ok
    assert match(models, pair_row(), rule="any", min_itc=None, min_itm=0.5).ok


def test_the_matching_head_runs_for_a_limit_alone(models, pair_row):
    models.matcher().itc.update({A: 0.5, B: 0.5})
    assert set(match(models, pair_row()).regions[0].scores) == {"noun_itc_a", "noun_itc_b"}
    asked = match(models, pair_row(), min_itm=0.0).regions[0].scores
    assert set(asked) == {"noun_itc_a", "noun_itc_b", "noun_itm_a", "noun_itm_b"}


def test_itc_and_itm_must_hold_on_the_same_side(models, pair_row):
    models.matcher().itc.update({A: 0.9, B: 0.0})
    models.matcher().itm.update({A: 0.0, B: 0.9})
    assert not match(models, pair_row(), rule="any", min_itc=0.5, min_itm=0.5).ok


def test_refused_regions_keep_their_scores(models, pair_row):
    models.matcher().itc.update({A: 0.125, B: 0.25})
    models.matcher().itm.update({A: 0.5, B: 0.75})
    row = match(models, pair_row(), min_itm=0.0)
    (region,) = row.regions
    assert (region.status, region.reason) == (
        "rejected",
        "region_text_matching_filter: noun_absent",
    )
    assert region.scores == {
        "noun_itc_a": 0.125,
        "noun_itc_b": 0.25,
        "noun_itm_a": 0.5,
        "noun_itm_b": 0.75,
    }
    assert (row.status, row.reason) == (
        "rejected",
        "region_text_matching_filter: no_changed_object",
    )
    assert row.message == "none of 1 areas passed region_text_matching_filter"


def test_refused_regions_are_not_asked_again(models, pair_row):
    row = pair_row(regions=[Region(BOX, "a"), Region(BOX, "b")])
    row.regions[0].reject("earlier", "bad")
    models.matcher().itc.update({A: 0.5, B: 0.5})
    row = match(models, row)
    assert models.matcher().asked == [A, B]
    assert row.regions[0].reason == "earlier: bad"
    assert row.kept_regions == [row.regions[1]]


ADDED = {"caption_b": "a car and a red boat on sand"}
REMOVED = {"caption_a": "a car and a red boat on sand", "caption_b": "a car on sand"}


@pytest.mark.parametrize(
    ("captions", "edit", "side", "level"),
    [
        (ADDED, {}, "b", 70),
        (ADDED, {"edit": {"kind": "add", "source": "", "target": "red boat"}}, "b", 70),
        (REMOVED, {}, "a", 10),
    ],
)
def test_what_was_only_added_or_removed_is_matched_in_one_image(
    models, pair_row, captions, edit, side, level
):
    for itc, passes in ((0.5, True), (0.25, False)):
        models.matcher().asked.clear()
        models.matcher().itc[level, "red boat"] = itc
        for rule in ("all", "any"):
            row = match(models, pair_row(**captions, **edit), rule=rule)
            assert row.ok == passes
        assert models.matcher().asked == [(level, "red boat")] * 2
        assert row.regions[0].scores == {f"noun_itc_{side}": itc}


def test_an_attribute_is_matched_with_its_noun(models, pair_row):
    edit = {"kind": "attribute", "source": "red car", "target": "blue car"}
    captions = {"caption_a": "a red car on sand", "caption_b": "a blue car on sand"}
    match(models, pair_row(**captions, edit=edit))
    assert models.matcher().asked == [(10, "red car"), (70, "blue car")]


def test_words_that_name_nothing_are_rejected(models, pair_row):
    row = match(models, pair_row(caption_a="a car on sand", caption_b="a car in sand"))
    assert row.reason == "region_text_matching_filter: nothing_named"
    assert row.message == "the words that differ name no object"
    assert models.matcher().asked == []


@pytest.mark.parametrize("caption_b", ["a car on sand", "A  car on sand", "The car on sand."])
def test_identical_captions_are_rejected(models, pair_row, caption_b):
    row = match(models, pair_row(caption_b=caption_b))
    assert (row.status, row.reason) == (
        "rejected",
        "region_text_matching_filter: captions_identical",
    )
    assert row.message == "no word differs between the captions"
    assert models.matcher().asked == []


def test_something_must_be_asked():
    with pytest.raises(ValueError, match="min_itc and min_itm are both null, so nothing is asked"):
        RegionTextMatchingFilter.Params(min_itc=None, min_itm=None)


def test_only_what_is_asked_has_a_threshold():
    params = RegionTextMatchingFilter.Params(min_itc=0.2, min_itm=None)
    assert RegionTextMatchingFilter(params).thresholds() == {
        "noun_itc_a": (0.2, None),
        "noun_itc_b": (0.2, None),
    }
