"""What `benchmarks/efuf_phrases.py` counts, against values by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from efuf_phrases_parts.regions import Regions, cut_of, region_figures
from efuf_phrases_parts.scenes import (
    Captioned,
    ScoringMethod,
    area,
    auc,
    choose,
    flat,
    half_made_up,
    truth_of,
)

from imgdiff.testing import make_row
from imgdiff.toyland.scenes import generator, sample_scene

METHOD = ScoringMethod((0.4, 0.2))


def case(*phrases):
    """Of (truth, score)."""
    truths, scores = zip(*phrases, strict=True)
    return Captioned(None, make_row(), list(truths), {METHOD: np.array(scores)})


def test_truth_of_a_phrase():
    scene = sample_scene(generator("test", 0), 1)
    thing = replace(scene.objects[0], category="boat", colour="red")
    scene = replace(scene, objects=(thing,))
    said = {"A red boat": "shown", "a boat": "shown", "a blue boat": "other colour"}
    said["a red car"] = "made up"
    assert {text: truth_of(text, scene) for text in said} == said


@pytest.mark.parametrize(
    ("high", "low", "expected"),
    [([3, 4], [1, 2], 1), ([1], [2], 0), ([1, 3], [2], 0.5), ([2], [2], 0.5), ([], [1], math.nan)],
)
def test_area_under_the_curve(high, low, expected):
    assert area(np.array(high), np.array(low)) == pytest.approx(expected, nan_ok=True)


def test_auc_leaves_other_colours_out():
    cases = [case(("shown", 0.9), ("made up", 0.2), ("other colour", 0.95))] * 8
    assert auc("auc", "", cases, METHOD).value == 1


def test_half_of_the_compared_captions_make_something_up():
    plain = [case(("shown", 0.9)), case(("other colour", 0.2)), case(("shown", 0.8))]
    lies = [case(("shown", 0.9), ("made up", 0.1))]
    assert half_made_up([*plain, *lies]) == [*lies, plain[0]]


def test_thresholds_let_in_no_more_strays_than_told():
    phrases = [("shown", 0.9)] * 96 + [("made up", 0.8)] * 4 + [("made up", 0.1)] * 50
    phrases += [("shown", 0.3)]
    cases = [case(*phrases)]
    limits = choose(cases, METHOD, 0.02)
    scores, truths = flat(cases, METHOD)
    assert (truths[scores > limits.positive_above] == "shown").mean() >= 0.98
    assert limits.positive_above == 0.8  # at 0.79 the four come in
    assert limits.negative_below == 0.8  # with one shown of 51; those at 0.8 are not below it
    assert limits.sentence_above == 0.8


def test_thresholds_where_no_cut_is_good_enough():
    cases = [case(("shown", 0.1), ("made up", 0.1), ("shown", 0.5), ("made up", 0.5))]
    limits = choose(cases, METHOD, 0.02)
    assert limits.negative_below <= limits.positive_above


def test_cut_for_crops_keeps_most_of_the_right_regions():
    right = np.array([True] * 100 + [False] * 10)
    scores = np.stack([np.zeros(110), np.linspace(0, 1.09, 110)], 1)
    cut = cut_of(Regions(scores, right))
    assert 0.95 <= (scores[:100, 1] >= cut).mean() <= 0.97


def test_regions_at_equal_yield():
    """Three of six are right. Matching ranks a wrong one first, the phrases all right ones."""
    matching = [0.9, 0.8, 0.7, 0.6, 0.5, 0.1]
    phrases = [0.1, 0.9, 0.9, 0.1, 0.8, 0.9]
    right = [False, True, True, False, True, False]
    some = Regions(np.stack([matching, phrases], 1), np.array(right))
    figures = {f.name: f.value for f in region_figures(some, min_itc=0.3, min_score=0.5)}
    assert figures["region_right_matching"] == pytest.approx(3 / 5)
    assert figures["region_right_both"] == 1
    assert figures["region_kept_by_both"] == pytest.approx(3 / 5)
    assert figures["region_right_equal_yield"] == pytest.approx(2 / 3)
    assert figures["region_gain"] == pytest.approx(1 / 3)
    assert figures["region_auc_phrases"] == pytest.approx((2.5 + 2.5 + 2) / 9)
