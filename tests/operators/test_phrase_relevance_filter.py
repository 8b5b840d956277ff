"""phrase_relevance_filter: phrases in sets by how well windows of the image show them."""

import numpy as np
import pytest
from pydantic import ValidationError

from imgdiff.operators.hallucination.phrase_relevance_filter import PhraseRelevanceFilter
from imgdiff.testing import make_row, run_operator
from imgdiff.text.phrases import as_records
from imgdiff.text.words import Span

CAPTION = "A car, a boat and a mug."
SPANS = [Span(0, 5), Span(7, 13), Span(18, 23)]
# the window that has level 40 in its centre shows a car to the full, a boat in part, no mug
DEGREES = {"A car": 40, "a boat": 100, "a mug": 140}


@pytest.fixture
def row(models, paint):
    models.clip().text_degrees = DEGREES
    return make_row(
        image_a=paint(20, {(0, 0, 20, 20): 40}),
        caption_a=CAPTION,
        phrases=as_records(CAPTION, SPANS),
    )


def sort(models, row, **params):
    settings = {"template": "{phrase}", "window": 0.25, "stride": 0.25} | params
    (row,) = run_operator(PhraseRelevanceFilter, [row], models, **settings)
    return row


def test_scores_and_sets(models, row):
    after = sort(models, row, positive_above=0.9, negative_below=0.1, sentence_above=0.3)
    assert [phrase["set"] for phrase in after["phrases"]] == ["positive", "", "negative"]
    scores = [phrase["score"] for phrase in after["phrases"]]
    cosines = np.cos(np.radians([0, 60, 100]))
    assert scores == pytest.approx(cosines, abs=1e-6)
    assert scores == [float(np.float32(score)) for score in scores]  # a table keeps 32 bits
    assert after.scores == pytest.approx(
        {"phrase_mean": cosines.mean(), "phrase_min": cosines[2], "phrase_max": 1}, abs=1e-6
    )
    assert after["sentence_set"] == ""
    assert after.ok


def test_earlier_phrases_are_left_as_they_are(models, row):
    before = row["phrases"]
    sort(models, row)
    assert before == as_records(CAPTION, SPANS)


def test_template(models, row):
    models.clip().text_degrees = {f"see {text}!": angle for text, angle in DEGREES.items()}
    after = sort(models, row, template="see {phrase}!")
    assert after["phrases"][0]["score"] == pytest.approx(1)


def test_mean_of_patches_is_lower(models, row):
    after = sort(models, row, aggregate="top_patches", stride=0.125)
    assert 0.9 < after["phrases"][0]["score"] < 1


SENTENCES = [
    ({}, CAPTION, "positive"),
    ({"sentence_above": 0.5}, CAPTION, ""),  # the mean is 0.44
    ({"negative_below": 0.0}, CAPTION, ""),  # the mug is at -0.17
    ({}, "A car, a boat and a mug on the", ""),  # cut off
]


@pytest.mark.parametrize(("params", "caption", "expected"), SENTENCES)
def test_whole_caption(models, row, params, caption, expected):
    row["caption_a"] = caption
    limits = {"positive_above": 0.99, "negative_below": -0.5, "sentence_above": 0.4}
    assert sort(models, row, **(limits | params))["sentence_set"] == expected


def test_caption_in_no_set_is_rejected(models, row):
    row["phrases"] = row["phrases"][1:2]
    after = sort(models, row, positive_above=0.6, negative_below=0.4, sentence_above=0.6)
    assert (after.status, after.reason) == ("rejected", "phrase_relevance_filter: in_no_set")
    assert after.message == "no phrase is clearly shown or clearly made up"
    assert after["phrases"][0]["score"] == pytest.approx(0.5)


def test_caption_without_phrases_is_rejected(models, row):
    row["phrases"] = []
    after = sort(models, row)
    assert (after.status, after.reason) == ("rejected", "phrase_relevance_filter: no_phrase")


def test_moved_thresholds_give_other_sets_without_a_model(models, row):
    scored = sort(models, row)
    params = PhraseRelevanceFilter.Params(positive_above=0.4, negative_below=-0.5)
    PhraseRelevanceFilter(params).decide(scored)
    assert [phrase["set"] for phrase in scored["phrases"]] == ["positive", "positive", ""]


def test_a_phrase_or_mean_exactly_at_a_limit_is_in_no_set(models, row):
    """The limits are those of EFUF: above and below, not at."""

    def decided(**limits):
        settings = {"positive_above": 0.5, "negative_below": 0.25, "sentence_above": 0.375}
        PhraseRelevanceFilter(PhraseRelevanceFilter.Params(**settings | limits)).decide(row)
        return [phrase["set"] for phrase in row["phrases"]], row["sentence_set"]

    scores = (0.5, 0.375, 0.25)
    row["phrases"] = [p | {"score": s} for p, s in zip(row["phrases"], scores, strict=True)]
    row.scores = {"phrase_mean": 0.375, "phrase_min": 0.25}
    assert decided() == (["", "", ""], "")
    assert decided(positive_above=0.49) == (["positive", "", ""], "")
    assert decided(negative_below=0.26) == (["", "", "negative"], "")
    assert decided(sentence_above=0.37) == (["", "", ""], "positive")
    assert decided(sentence_above=0.37, negative_below=0.26) == (["", "", "negative"], "")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"template": "a photo"}, "template has no {phrase}"),
        ({"window": 0.2, "stride": 0.3}, "stride 0.3 is above window 0.2"),
        ({"negative_below": 0.4}, "negative_below is above positive_above"),
    ],
)
def test_settings_that_cannot_be(params, message):
    with pytest.raises(ValidationError, match=message):
        PhraseRelevanceFilter.Params(**params)


def test_limits_may_be_equal():
    assert PhraseRelevanceFilter.Params(negative_below=0.3, positive_above=0.3)
