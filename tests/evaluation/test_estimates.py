import numpy as np
import pytest

from imgdiff.statistics.estimates import (
    divide,
    effective,
    estimate,
    mean,
    share,
    weighted_share,
)


def test_the_value_is_that_of_the_summed_counts():
    assert share(np.array([1, 0, 2]), np.array([1, 1, 4])).value == 0.5


def test_the_interval_covers_95_percent():
    """Of the normal distribution; one of 90 % would end 0.007 further in, one of 99 % 0.013 out."""
    found = mean(np.array([1] * 300 + [0] * 100))
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (found.low, found.high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.003)
    assert found.items == 400


def test_items_that_hang_together_widen_the_interval():
    alone = mean(np.repeat([0, 1], 100))
    together = estimate(
        np.tile([[0, 10], [10, 10]], (10, 1)), lambda n: divide(n[..., 0], n[..., 1])
    )
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_nothing_to_divide_by_is_nan():
    assert np.isnan(share(np.array([0.0]), np.array([0.0])).value)
    assert np.isnan(mean(np.array([])).low)


def test_equal_weights_give_wilsons_interval():
    """Of 9 out of 10: (0.596, 0.982), as tables have it."""
    hits = np.arange(10) > 0
    for weight in (1.0, 7.5):
        found = weighted_share(hits, np.full(10, weight))
        assert (found.value, found.items) == (pytest.approx(0.9), 10)
        assert (found.low, found.high) == pytest.approx((0.596, 0.982), abs=5e-4)
    assert weighted_share(hits | True, np.ones(10)).low == pytest.approx(0.722, abs=5e-4)


def test_unequal_weights_tell_less():
    hits, weights = np.array([True, True, False]), np.array([1.0, 2.0, 0.0])
    found = weighted_share(hits, weights)
    assert (found.value, found.items) == (1.0, 2)
    assert effective(weights) == pytest.approx(9 / 5)
    assert found.low == pytest.approx(1 / (1 + 1.96**2 / 1.8), abs=1e-3)
    assert np.isnan(weighted_share(hits, np.zeros(3)).value)
