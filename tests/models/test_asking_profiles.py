"""How each family of MLLMs is asked, against what is known of real models."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from asking_facts import FACTS, SHAPES, WIDE, WIDE_BOX, picture, profile

from imgdiff.data import images
from imgdiff.models.families import families_of
from imgdiff.models.families.other import Other
from imgdiff.models.families.toyland import Toyland
from imgdiff.models.kinds import family_of
from imgdiff.models.roles import Question
from imgdiff.models.zoo import bind
from imgdiff.text import prompts


class TestFacts:
    def test_every_family_has_its_facts(self):
        known = {each.name for each in families_of("mllm")} - {"toyland", "other"}
        assert known == set(FACTS)
        assert {each["mark"] for each in FACTS.values()} == {"recorded", "reconstructed"}

    @pytest.mark.parametrize(("size", "box", "fact"), SHAPES)
    @pytest.mark.parametrize("name", FACTS)
    def test_the_words_for_a_region(self, name, size, box, fact):
        question = profile(name).region_question(picture(size), box)
        assert question.text == FACTS[name][fact]

    @pytest.mark.parametrize("name", FACTS)
    def test_how_many_pictures_of_a_pair_it_gets(self, name):
        asked = profile(name)
        pair = [picture(WIDE, seed) for seed in (1, 2)]
        question = asked.pair_question(pair, WIDE_BOX, asked.difference)
        shown = asked.prepared(question).pictures
        assert len(shown) == FACTS[name]["pictures"]
        assert ("first image" in question.text) == (len(shown) == 2)
        if len(shown) == 2:
            for each, image in zip(shown, pair, strict=True):
                np.testing.assert_array_equal(each, images.draw_box(image, WIDE_BOX))


class TestOther:
    def test_regions_are_cut_out_and_that_is_said_once(self, caplog):
        asked = Other()
        for _ in range(3):
            question = asked.region_question(picture(WIDE), WIDE_BOX)
        assert question.text == prompts.REGION["crop"]
        np.testing.assert_array_equal(question.pictures[0], images.crop(picture(WIDE), WIDE_BOX))
        (record,) = caplog.records
        assert "how this MLLM names regions is not known" in record.message

    def test_a_recipe_may_want_coordinates(self, caplog):
        question = Other().region_question(picture(WIDE), WIDE_BOX, "coordinates")
        assert "[0.50, 0.25, 1.00, 1.00]" in question.text
        assert not caplog.records

    @pytest.mark.parametrize(("cuts", "shape"), [(True, (640, 640, 3)), (False, (480, 640, 3))])
    def test_padded_where_its_processor_would_cut(self, cuts, shape):
        asked = Other(SimpleNamespace(do_center_crop=cuts, image_mean=[0.5, 0.5, 0.5]))
        (shown,) = asked.prepared(Question((picture(WIDE),), "x")).pictures
        assert shown.shape == shape


class TestToyland:
    """The embedded MLLM is asked what it was trained on."""

    def test_its_checkpoint_says_so(self):
        assert family_of("mllm", bind("embedded")["mllm"]).name == "toyland"

    @pytest.mark.parametrize("view", ["coordinates", "box", "crop"])
    def test_regions(self, view):
        shown, box = picture((128, 128)), (10.0, 20.0, 60.5, 100.0)
        question = Toyland().prepared(Toyland().region_question(shown, box, view))
        expected = {
            "coordinates": shown,
            "box": images.draw_box(shown, box),
            "crop": images.square_crop(shown, box),
        }
        np.testing.assert_array_equal(question.pictures[0], expected[view])
        assert question.text == prompts.REGION[view].replace("{box}", "[0.08, 0.16, 0.47, 0.78]")

    def test_pairs(self):
        pair, box = [picture((128, 128), seed) for seed in (1, 2)], (10.0, 20.0, 60.5, 100.0)
        question = Toyland().prepared(Toyland().pair_question(pair, box, "x"))
        joined = images.pad_to_square(images.joined_view(*pair, box))
        np.testing.assert_array_equal(question.pictures, [joined])
        assert Toyland().difference == prompts.DIFFERENCE

    def test_whole_pictures(self):
        shown = picture((128, 128))
        np.testing.assert_array_equal(Toyland().prepared(Question((shown,), "x")).pictures, [shown])
        (wide,) = Toyland().prepared(Question((picture(WIDE),), "x")).pictures
        np.testing.assert_array_equal(wide, images.pad_to_square(picture(WIDE)))


@pytest.mark.parametrize("name", FACTS)
def test_a_recipe_may_say_other_words_and_another_view(name):
    asked = profile(name)
    question = asked.region_question(picture(WIDE), WIDE_BOX, "box", "In red?")
    assert question.text == "In red?"
    np.testing.assert_array_equal(question.pictures[0], images.draw_box(picture(WIDE), WIDE_BOX))
    numbers = re.search(r"\[\d[^]]*\]", FACTS[name]["region"])[0]
    named = asked.region_question(picture(WIDE), WIDE_BOX, None, "What is {box}?")
    assert named.text == f"What is {numbers}?"
