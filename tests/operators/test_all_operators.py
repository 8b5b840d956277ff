"""What every operator must do: batches change nothing, one bad row costs one row."""

import inspect

import pytest

from imgdiff.data.fields import FIELDS
from imgdiff.data.rows import Region
from imgdiff.operator import Composite, Filter, registry
from imgdiff.testing import make_row, run_operator

BOX, OTHER = (8.0, 8.0, 24.0, 24.0), (40.0, 40.0, 60.0, 60.0)
OBJECTS = ("tree", "mug", "ball", "fish", "duck", "house", "tent", "flower", "rocket", "snowman")
OURS = {
    name: cls for name, cls in registry().items() if cls.__module__.startswith("imgdiff.operators.")
}
STEPS = {name: cls for name, cls in OURS.items() if not issubclass(cls, Composite)}
# these need a pipeline and have tests of their own
DRAW = {"sdxl_prompt2prompt_mapper", "sdxl_text2image_mapper", "sdxl_inpaint_mapper"}
SEE = {name: cls for name, cls in STEPS.items() if name not in DRAW}
SEE_PAIRS = [name for name, cls in SEE.items() if "image_b" in cls.reads]
SEE_REGIONS = [
    name for name, cls in SEE.items() if any(field.startswith("regions") for field in cls.reads)
]


@pytest.fixture
def rows(models, paint):
    """Seven rows that any operator may get, the level of a box in B rising; A has level 0 there."""
    made = []
    for k in range(7):
        level = 20 * k
        said = "A red boat." if k == 2 else f"Boat {k}."
        differs = "A red car, a red boat." if k == 2 else f"{k}."
        regions = [
            Region(BOX, "a", caption_a="A red car.", caption_b=said, difference=differs),
            Region(OTHER, "b", caption_a="A mug.", caption_b="A mug.", difference="Same."),
        ]
        made.append(
            make_row(
                f"row-{k}",
                regions,
                caption_a="a red car on the sand",
                caption_b="a red boat on the sand",
                objects=["car", *OBJECTS[k : k + 4]],
                image_a=paint(0),
                image_b=paint(level, {BOX: level, OTHER: 0}),
            )
        )
        models.clip().text_degrees[said] = level
        models.matcher().itc.update({(level, "boat"): 0.1 * k, (level, said): 0.15 * k})
        models.matcher().itc[0, "A red car."] = 0.7
        models.matcher().itc[20, "A red car."] = 0.1 * k
        models.segmenter().boxes[level] = [BOX] * (k % 3)
    return made


@pytest.mark.parametrize("name", SEE)
def test_results_do_not_depend_on_the_batch(models, rows, name):
    one_by_one = run_operator(STEPS[name], rows, models, batch_size=1)
    for batch_size in (2, 7):
        assert run_operator(STEPS[name], rows, models, batch_size=batch_size) == one_by_one


@pytest.mark.parametrize("name", SEE_PAIRS)
@pytest.mark.parametrize("side", "ab")
def test_bad_image_costs_one_row(models, rows, name, side):
    good = run_operator(STEPS[name], rows, models)
    rows[3][f"image_{side}"] = {"bytes": b"<html>", "path": "0818.jpg"}
    after = run_operator(STEPS[name], rows, models)
    assert (after[3].status, after[3].reason) == ("failed", f"{name}: image_unreadable")
    assert "0818.jpg is not a JPEG, PNG, WEBP" in after[3].message
    assert after[:3] + after[4:] == good[:3] + good[4:]


@pytest.mark.parametrize("name", SEE_REGIONS)
def test_row_without_regions(models, rows, name):
    """Nothing to look at is no error: the row is rejected, or left to a later step."""
    rows[2].regions = []
    good = run_operator(STEPS[name], rows, models)
    (alone,) = run_operator(STEPS[name], [rows[2]], models)
    assert alone == good[2]
    assert alone.status in ("ok", "rejected")
    assert alone.regions == []


@pytest.mark.parametrize("name", [n for n in SEE_REGIONS if issubclass(STEPS[n], Filter)])
def test_refused_regions_have_all_scores(models, rows, name):
    after = run_operator(STEPS[name], rows, models)
    regions = [region for row in after for region in row.regions]
    assert {region.status for region in regions} == {"ok", "rejected"}
    left = STEPS[name](STEPS[name].Params()).region_scores
    for region in regions:
        assert set(region.scores) == set(left)


@pytest.mark.parametrize("name", SEE_REGIONS)
def test_regions_refused_earlier_stay_as_they_are(models, rows, name):
    for row in rows:
        row.regions[0].reject("earlier", "bad")
    for before, after in zip(rows, run_operator(STEPS[name], rows, models), strict=True):
        assert after.regions[0] == before.regions[0]


@pytest.mark.parametrize("name", OURS)
def test_declarations(name):
    """Fields exist, a sentence says what it does, and the file has the operator's name."""
    cls = OURS[name]
    assert cls.__module__.rpartition(".")[2] == name
    assert inspect.getdoc(cls)
    if issubclass(cls, Composite):
        assert set(cls.steps) <= set(STEPS)
    else:
        assert {*cls.reads, *cls.writes} <= set(FIELDS)
        assert cls.Params()  # every setting has a default
