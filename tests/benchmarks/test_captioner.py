"""How captioners are compared at equal yield, by hand."""

import pytest
from hallucination_parts.captioner import captioner_figures

from imgdiff.data.rows import Region, Row

RIGHT = "The left image shows a red car, the right image shows a red boat."
WRONG = "The left image shows a red car, the right image shows a red tent."


def sample(number, sentence, fit):
    row = Row(str(number), 0, {"caption_a": "a red car on sand", "caption_b": "a red boat on sand"})
    scores = {"caption_itc_a": fit, "caption_itc_b": 0.9}
    return number, row, Region((0, 0, 9, 9), "a", scores=scores, difference=sentence)


def test_who_keeps_more_gives_up_what_fits_worst():
    short = [sample(0, RIGHT, 0.5), sample(1, WRONG, 0.5)]
    long = [sample(0, RIGHT, 0.8), sample(1, WRONG, 0.3), sample(2, RIGHT, 0.6)]
    kept = {"before": [short], "efuf": [long], "seed": [short, long], "together": [long]}
    found = {figure.name: figure for figure in captioner_figures(kept, 4)}
    assert found["captioner_yield"].value == 2
    assert found["captioner_before"].value == pytest.approx(0.5)
    assert found["captioner_efuf"].value == pytest.approx(1.0)
    assert found["captioner_efuf_change"].value == pytest.approx(50)
    assert found["captioner_seed"].value == pytest.approx(0.75)
    assert found["captioner_seed_kept"].value == pytest.approx(2.5)
    assert found["captioner_efuf"].cases == 4
