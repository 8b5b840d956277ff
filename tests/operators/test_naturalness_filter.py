"""naturalness_filter: pairs whose images look natural to an MLLM."""

import pytest

from imgdiff.operators.image_pairs.naturalness_filter import NaturalnessFilter
from imgdiff.testing import make_row, run_operator
from imgdiff.text import prompts

REJECTED = "naturalness_filter: "


@pytest.mark.parametrize(
    ("levels", "score", "reason", "message"),
    [
        ((90, 60), 0.6, "", ""),
        ((50, 90), 0.5, "", ""),
        ((90, 40), 0.4, "unnatural", "naturalness is 0.400, wanted at least 0.5"),
        ((90, 200), None, "answer_form", "the model said neither yes nor no"),
    ],
)
def test_the_smaller_probability_counts(models, paint, levels, score, reason, message):
    row = make_row(image_a=paint(levels[0]), image_b=paint(levels[1]))
    (row,) = run_operator(NaturalnessFilter, [row], models)
    assert row.scores.get("naturalness") == (score and pytest.approx(score))
    assert (row.reason, row.message) == (reason and REJECTED + reason, message)


def test_each_image_is_asked_about(models, paint):
    row = make_row(image_a=paint(90), image_b=paint(90))
    run_operator(NaturalnessFilter, [row], models)
    run_operator(NaturalnessFilter, [row], models, prompt="Is it real?")
    assert models.mllm().questions == [prompts.NATURAL] * 2 + ["Is it real?"] * 2


def test_threshold_for_the_report():
    params = NaturalnessFilter.Params(min_score=0.7)
    assert NaturalnessFilter(params).thresholds() == {"naturalness": (0.7, None)}
