"""region_caption_mapper: what each image shows in a box."""

import numpy as np
import pytest

from imgdiff.data import images
from imgdiff.data.rows import Region
from imgdiff.models.families.other import Other
from imgdiff.models.families.qwen3_vl import Qwen3Vl
from imgdiff.operators.difference_captions.region_caption_mapper import RegionCaptionMapper
from imgdiff.testing import run_operator
from imgdiff.text import prompts

BOX = (8.0, 8.0, 24.0, 24.0)


def caption(models, row, **params):
    (row,) = run_operator(RegionCaptionMapper, [row], models, **params)
    return row


def test_each_image_has_its_own_caption(models, pair_row):
    row = caption(models, pair_row(10, 70), view="crop")
    (region,) = row.regions
    assert (region.caption_a, region.caption_b) == ("A thing of level 10.", "A thing of level 70.")
    assert row.ok


def test_coordinates_name_the_box_in_shares_of_the_square_that_is_shown(models, pair_row, paint):
    pictures = {f"image_{side}": paint(size=(32, 64)) for side in "ab"}
    caption(models, pair_row(regions=[Region((16.0, 8.0, 48.0, 32.0), "a")], **pictures))
    question = "Describe clearly what the region [0.25, 0.38, 0.75, 0.75] of this image shows."
    assert models.mllm().questions == [question] * 2
    assert [picture.shape for picture in models.mllm().pictures] == [(64, 64, 3)] * 2


@pytest.mark.parametrize(
    ("family", "question"),
    [
        (Qwen3Vl(), 'What is inside {"bbox_2d": [250, 250, 750, 1000]}?'),
        (Other(), prompts.REGION["crop"]),
    ],
)
def test_the_family_says_how_a_region_is_named(models, pair_row, paint, family, question):
    models.mllm().profile = family
    pictures = {f"image_{side}": paint(size=(32, 64)) for side in "ab"}
    caption(models, pair_row(regions=[Region((16.0, 8.0, 48.0, 32.0), "a")], **pictures))
    assert models.mllm().questions == [question] * 2


@pytest.mark.parametrize("view", ["coordinates", "box", "crop"])
def test_view(models, pair_row, view):
    row = pair_row(10, 70)
    caption(models, row, view=view)
    whole = images.load_rgb(row["image_a"])
    expected = {
        "coordinates": whole,
        "box": images.draw_box(whole, BOX),
        "crop": np.full((16, 16, 3), 10, np.uint8),
    }
    np.testing.assert_array_equal(models.mllm().pictures[0], expected[view])
    question = prompts.REGION[view].replace("{box}", "[0.12, 0.12, 0.38, 0.38]")
    assert models.mllm().questions[0] == question


def test_prompt_of_the_recipe(models, pair_row):
    caption(models, pair_row(), prompt="What is {box}? {x}")
    assert models.mllm().questions[0] == "What is [0.12, 0.12, 0.38, 0.38]? {x}"


@pytest.mark.parametrize("refused_level", [10, 70])
def test_refusal_on_either_side_rejects_the_region_alone(models, pair_row, refused_level):
    other = (40.0, 40.0, 60.0, 60.0)
    models.mllm().say = lambda picture, question: (
        "I'm sorry, I cannot." if picture[0, 0, 0] == refused_level else "A ball."
    )
    row = caption(models, pair_row(regions=[Region(BOX, "a"), Region(other, "b")]), view="crop")
    assert [region.reason for region in row.regions] == ["region_caption_mapper: answer_form", ""]
    assert row.ok
    assert row.regions[0].caption_a  # refused answers are stored too


def test_row_with_refusals_only_is_rejected(models, pair_row):
    models.mllm().say = lambda picture, question: ""
    row = caption(models, pair_row())
    assert (row.status, row.reason) == ("rejected", "region_caption_mapper: no_caption")
    assert row.message == "the model described no area"
