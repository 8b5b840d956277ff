"""Every limit of every filter is a closed one: a score exactly at it passes, the next number beyond
it does not."""

import math

import pytest

from imgdiff.data.rows import Region
from imgdiff.operator import Filter, registry
from imgdiff.testing import make_row

# limits that are not asked by default; of two sides each must pass, so that each limit is seen
SETTINGS = {
    "region_caption_matching_filter": {"rule": "all", "min_itm": 0.5},
    "region_difference_filter": {"max_area": 0.5},
    "region_text_matching_filter": {"rule": "all", "min_itm": 0.5},
}
OPEN = {"phrase_relevance_filter"}  # its sets lie above and below its limits, and have a test


def made(name):
    cls = registry()[name]
    return cls(cls.Params(**SETTINGS.get(name, {})))


FILTERS = [
    name
    for name, cls in registry().items()
    if cls.__module__.startswith("imgdiff.operators.")
    and issubclass(cls, Filter)
    and name not in OPEN
]
LIMITS = [
    pytest.param(name, score, limit, beyond, id=f"{name}-{score}-{'above' if end else 'below'}")
    for name in FILTERS
    for score, limits in made(name).thresholds().items()
    for end, (limit, beyond) in enumerate(zip(limits, (-math.inf, math.inf), strict=True))
    if limit is not None
]


def inside(low, high):
    """A score that passes, away from both limits."""
    if low is None:
        return high - 0.125
    return low + 0.125 if high is None else (low + high) / 2


def passes(name, **scores):
    """Whether a row passes that has one region; scores that are not given lie inside."""
    operator = made(name)
    scores = {score: inside(*limits) for score, limits in operator.thresholds().items()} | scores
    region = Region((0.0, 0.0, 8.0, 8.0), "a")
    region.scores.update({name: scores[name] for name in operator.region_scores if name in scores})
    row = make_row(regions=[region])
    row.scores.update({name: scores[name] for name in operator.scores if name in scores})
    operator.decide(row)
    return row.ok


@pytest.mark.parametrize(("name", "score", "limit", "beyond"), LIMITS)
def test_a_score_at_the_limit_passes_and_the_next_one_beyond_does_not(name, score, limit, beyond):
    assert passes(name)
    assert passes(name, **{score: limit})
    assert not passes(name, **{score: math.nextafter(limit, beyond)})


@pytest.mark.parametrize("name", FILTERS)
def test_every_setting_that_sounds_like_a_limit_is_one(name):
    """So that the test above, the report and `imgdiff analyze` know it."""
    operator = made(name)
    sounding = {key for key in operator.Params.model_fields if key.startswith(("min_", "max_"))}
    stated = {setting for pair in operator.limits.values() for setting in pair} - {None}
    assert sounding - {"max_regions"} == stated


@pytest.mark.parametrize("name", FILTERS)
def test_a_limit_that_is_null_is_none(name):
    operator = made(name)
    null = {key: None for pair in operator.limits.values() for key in pair if key is not None}
    operator.params = operator.params.model_copy(update=null)
    assert operator.thresholds() == {}
    assert set(operator.movable) >= set(null)
