"""object_naming_mapper: what stands in image A, named by CLIP."""

import pytest

from imgdiff.data.rows import Region
from imgdiff.operators.object_negatives.object_naming_mapper import ObjectNamingMapper
from imgdiff.testing import make_row, run_operator

BOXES = [(8.0, 8.0, 24.0, 24.0), (40.0, 40.0, 60.0, 60.0), (8.0, 40.0, 24.0, 60.0)]


def name(models, paint, levels, refused=(), **params):
    """Regions of these levels; `a red car` lies at 10 degrees, `a red boat` at 40, the rest at
    170."""
    degrees = models.clip().text_degrees
    for noun in "rocket tree flower mushroom house lighthouse tent fish duck butterfly".split():
        degrees[f"a red {noun}"] = 170
    for noun in "mug teapot ball snowman".split():
        degrees[f"a red {noun}"] = 170
    degrees |= {"a red car": 10, "a red boat": 40}
    boxes = dict(zip(BOXES, levels, strict=False))
    regions = [Region(box, "b" if level in refused else "a") for box, level in boxes.items()]
    row = make_row(regions=regions, image_a=paint(0, boxes))
    (after,) = run_operator(ObjectNamingMapper, [row], models, lexicon="toyland", **params)
    return after


def test_regions_are_named_by_the_nearest_noun_the_surest_first(models, paint):
    assert name(models, paint, [30, 10])["objects"] == ["car", "boat"]


def test_a_name_comes_once(models, paint):
    assert name(models, paint, [10, 14, 41])["objects"] == ["car", "boat"]


def test_regions_of_the_other_image_are_not_asked(models, paint):
    assert name(models, paint, [10, 40], refused=[40])["objects"] == ["car"]


def test_what_no_name_fits_is_passed_over(models, paint):
    assert name(models, paint, [10, 90], min_score=0.9)["objects"] == ["car"]


def test_what_could_be_either_is_passed_over(models, paint):
    assert name(models, paint, [10, 25], min_margin=0.05)["objects"] == ["car"]


@pytest.mark.parametrize("levels", [[], [90]])
def test_a_row_without_a_name_is_rejected(models, paint, levels):
    row = name(models, paint, levels, min_score=0.9)
    assert (row.status, row.reason) == ("rejected", "object_naming_mapper: nothing_named")
    assert row.message == f"no name of the lexicon fits one of {len(levels)} areas"
