"""What `benchmarks/calibrate_run.py` counts, on made-up scores: no model is run."""

from dataclasses import replace

import calibrate_run
import numpy as np
import pytest
from calibrate_run import FAMILIES, RECIPE, Pool, family_figures, in_family, is_right

from imgdiff.data.rows import Region
from imgdiff.recipe.check import check
from imgdiff.statistics.scored import limits_of, opened, scored_samples
from imgdiff.testing import make_row
from imgdiff.toyland.pairs import recoloured_pair, replaced_pair
from imgdiff.toyland.scenes import generator

HIGH, LOW = ("noun_itc", "caption_itc"), ("crop_similarity", "caption_similarity")


def scored_row(rng, name, right):
    """One area, whose four scores say how right it is."""
    middle = 0.4 if right else 0.1
    scores = {f"{each}_{side}": rng.normal(middle, 0.12) for each in HIGH for side in "ab"}
    scores |= {"area": 0.5} | {each: rng.normal(0.7 - middle, 0.12) for each in LOW}
    return make_row(id=name, regions=[Region((0.0, 0.0, 8.0, 8.0), "a", scores=scores)])


def pools(family):
    shipped = check(RECIPE).operators
    opening = [f"{name}={value}" for name, value in opened(shipped, limits_of(shipped)).items()]
    operators = check(RECIPE, opening).operators
    made = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        right = rng.random(150) < 0.35
        rows = [scored_row(rng, f"{k}", each) for k, each in enumerate(right)]
        samples = scored_samples(operators, [in_family(row, family) for row in rows])
        made.append(Pool(samples, right))
    return shipped, *made


@pytest.mark.parametrize("family", FAMILIES)
def test_limits_by_ratings_reach_what_the_recipes_do_not(monkeypatch, family):
    monkeypatch.setattr(calibrate_run, "CHOICES", 2)
    shipped, rated, unrated = pools(FAMILIES[family])
    rows = family_figures(family, shipped, rated, unrated)
    figures = {figure.name: figure for cells in rows.values() for figure in cells}
    assert len(figures) == sum(map(len, rows.values()))
    chosen, everything = figures[f"{family}_0.9_precision"], figures[f"{family}_none_precision"]
    assert everything.high < 0.5 < chosen.value
    assert chosen.high >= 0.9
    assert figures[f"{family}_0.9_yield"].value > 0.5
    recipe = figures[f"{family}_recipe_yield"].value, figures[f"{family}_recipe_precision"].value
    if family == "empty":
        assert recipe[0] == 0
    if family == "dirty":
        assert recipe[1] < chosen.value - 0.1


def test_a_family_keeps_the_order_of_scores_and_leaves_areas():
    row = make_row(regions=[Region((0.0, 0.0, 8.0, 8.0), "a", scores={"area": 0.5, "x": 0.25})])
    assert in_family(row, FAMILIES["empty"]).regions[0].scores == {
        "area": 0.5,
        "x": pytest.approx(0.075),
    }
    assert row.regions[0].scores["x"] == 0.25
    grid = np.linspace(-1, 1, 50)
    for family in FAMILIES.values():
        values = [family(float(score)) for score in grid]
        assert sorted(values) == values
        assert -1 <= min(values) < max(values) <= 1


def test_what_is_right():
    pair = replaced_pair(generator("test", 1))
    box = tuple(map(float, pair.boxes_xyxy[0]))
    old, new = pair.old.name, pair.new.name
    sentence = f"the left image shows a {old}, the right image shows a {new}"
    said = {"caption_a": f"a {old}", "caption_b": f"a {new}", "difference": sentence}
    region = Region(box, "a", **said)
    assert is_right(pair, region)
    assert not is_right(pair, replace(region, caption_b=f"a {old}"))
    assert not is_right(pair, replace(region, difference=sentence.replace(new, old)))
    assert not is_right(pair, replace(region, box_xyxy=(0.0, 0.0, 4.0, 4.0)))
    other = recoloured_pair(generator("test", 1))
    boxes = tuple(map(float, other.boxes_xyxy[0]))
    assert not is_right(other, Region(boxes, "a", **said))
