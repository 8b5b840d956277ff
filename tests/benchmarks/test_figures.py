"""Intervals and statistics of `benchmarks/quality.py`, against textbooks and values by hand."""

import math

import numpy as np
import pytest
from embedded.figures import mean, plain, ratio, roc_auc, share


class TestShare:
    @pytest.mark.parametrize(
        ("hits", "count", "low", "high"),
        # Newcombe 1998, table I, method 3 (Wilson without continuity correction)
        [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ],
    )
    def test_wilson(self, hits, count, low, high):
        figure = share("x", "", [k < hits for k in range(count)])
        assert figure.value == pytest.approx(hits / count)
        assert (figure.low, figure.high) == pytest.approx((low, high), abs=1e-4)
        assert figure.cases == count

    @pytest.mark.parametrize("hit", [True, False])
    def test_the_share_lies_in_its_interval_to_the_last_bit(self, hit):
        figures = [share("x", "", [hit] * count) for count in range(1, 200)]
        assert all(f.low <= f.value <= f.high for f in figures)

    def test_no_cases(self):
        figure = share("x", "", [], at_least=0.5)
        assert math.isnan(figure.value)
        assert not figure.passes


class TestBar:
    @pytest.mark.parametrize(
        ("bar", "passes", "text"),
        [
            ({}, None, ""),
            ({"at_least": 0.5}, True, "≥ 0.5"),
            ({"at_least": 0.51}, False, "≥ 0.51"),
            ({"at_most": 0.5}, True, "≤ 0.5"),
            ({"at_least": 0.08, "at_most": 0.25}, False, "≥ 0.08, ≤ 0.25"),
        ],
    )
    def test_passes(self, bar, passes, text):
        figure = plain("x", "", 0.5, 1, **bar)
        assert figure.passes is passes
        assert figure.bar == text


def test_mean_has_the_interval_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(3, 2, 400)
    figure = mean("x", "", values)
    assert figure.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert figure.high - figure.value == pytest.approx(half, rel=0.15)
    assert figure.value - figure.low == pytest.approx(half, rel=0.15)


def test_ratio_divides_sums():
    assert ratio("x", "", [1, 0, 3], [2, 2, 4]).value == pytest.approx(0.5)


class TestRocAuc:
    def test_counts_pairs_in_order_and_half_of_ties(self):
        # of the nine pairs 3 > {0, 1, 3}: 2.5, 2 > {0, 1}: 2, 1 > {0}: 1.5
        assert roc_auc("x", "", [3, 2, 1], [0, 1, 3]).value == pytest.approx(6 / 9)

    def test_extremes(self):
        assert roc_auc("x", "", [2, 3], [0, 1]).value == 1
        assert roc_auc("x", "", [0, 1], [2, 3]).value == 0
