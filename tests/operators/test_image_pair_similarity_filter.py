"""image_pair_similarity_filter: pairs that are alike, but not the same."""

import pytest

from imgdiff.operators.image_pairs.image_pair_similarity_filter import ImagePairSimilarityFilter
from imgdiff.testing import make_row, run_operator


@pytest.mark.parametrize(
    ("level_b", "cosine", "reason", "message"),
    [
        (20, 0.9397, "", ""),
        (
            60,
            0.5,
            "image_pair_similarity_filter: pair_too_different",
            "image_pair_similarity is 0.500, wanted 0.9 to 0.98",
        ),
        (
            0,
            1.0,
            "image_pair_similarity_filter: pair_too_similar",
            "image_pair_similarity is 1.000, wanted 0.9 to 0.98",
        ),
    ],
)
def test_cosine_must_lie_in_the_range(models, paint, level_b, cosine, reason, message):
    row = make_row(image_a=paint(0), image_b=paint(level_b))
    (row,) = run_operator(ImagePairSimilarityFilter, [row], models)
    assert row.scores["image_pair_similarity"] == pytest.approx(cosine, abs=1e-4)
    assert (row.reason, row.message) == (reason, message)
    assert row.ok == (not reason)


def test_each_row_has_its_own_score(models, paint):
    rows = [make_row(f"row-{k}", image_a=paint(k), image_b=paint(k + 60 * k)) for k in range(3)]
    rows = run_operator(ImagePairSimilarityFilter, rows, models, min_score=-1.0, max_score=1.0)
    scores = [row.scores["image_pair_similarity"] for row in rows]
    assert scores == pytest.approx([1.0, 0.5, -0.5], abs=1e-5)


def test_limits_are_allowed_values(models, paint):
    row = make_row(image_a=paint(5), image_b=paint(5))
    (row,) = run_operator(ImagePairSimilarityFilter, [row], models, min_score=-1.0, max_score=1.0)
    assert row.ok


def test_thresholds_for_the_report():
    params = ImagePairSimilarityFilter.Params(min_score=0.1, max_score=0.2)
    assert ImagePairSimilarityFilter(params).thresholds() == {"image_pair_similarity": (0.1, 0.2)}


def test_range_must_not_be_upside_down():
    with pytest.raises(ValueError, match=r"min_score 0\.98 is above max_score 0\.9"):
        ImagePairSimilarityFilter.Params(min_score=0.98, max_score=0.9)
    assert ImagePairSimilarityFilter.Params(min_score=0.9, max_score=0.9)  # one score passes
