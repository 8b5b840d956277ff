"""conversation_mapper: a question and its answer for every kept region."""

import pytest

from imgdiff.data import images
from imgdiff.data.rows import Region
from imgdiff.operators.samples.conversation_mapper import ConversationMapper
from imgdiff.testing import make_row, run_operator

BOX = (8.0, 8.0, 24.0, 24.0)


def converse(regions, **params):
    (row,) = run_operator(ConversationMapper, [make_row(regions=regions)], **params)
    return row


@pytest.mark.parametrize(("form", "pictures"), [("joined", 1), ("two_images", 2)])
@pytest.mark.parametrize("question", [None, "What changed?"])
def test_question_has_as_many_image_tokens_as_images(form, pictures, question):
    row = converse([Region(BOX, "a", difference="It moved.")], form=form, question=question)
    human, gpt = row.regions[0].conversations
    assert human["from"] == "human"
    assert human["value"].startswith("<image>\n" * pictures)
    assert human["value"].count("<image>") == pictures
    assert gpt == {"from": "gpt", "value": "It moved."}
    if question:
        assert human["value"].endswith(question)


def test_image_token_in_the_recipes_question_is_refused():
    with pytest.raises(ValueError, match="<image>"):
        ConversationMapper.Params(question="<image>\nWhat changed?")


def test_refused_regions_have_no_conversation():
    regions = [Region(BOX, "a", difference="One."), Region(BOX, "b", difference="Two.")]
    regions[0].reject("earlier", "bad")
    row = converse(regions)
    assert row.regions[0].conversations == []
    assert [turn["value"] for turn in row.regions[1].conversations][1] == "Two."


class TestChoice:
    def rows(self, pair_row, count=20):
        """Image A has level 10 in the box and image B level 70."""
        rows = [pair_row(10, 70, id=f"row-{k}") for k in range(count)]
        return run_operator(ConversationMapper, rows, form="choice")

    def test_the_letter_points_to_the_image_with_the_object(self, pair_row):
        """The left half of the joined picture is A, the right half B (bug S5 of the release)."""
        for row in self.rows(pair_row):
            (region,) = row.regions
            human, gpt = region.conversations
            assert "Which of them shows a car in the red box?" in human["value"]
            assert "\nA. the left image\nB. the right image\n" in human["value"]
            pictures = [images.load_rgb(row[name]) for name in ("image_a", "image_b")]
            view = images.joined_view(*pictures, region.box_xyxy, region.left)
            wide = pictures[0].shape[1]
            half = {"A": view[:, :wide], "B": view[:, -wide:]}[gpt["value"]]
            assert (half[12:20, 12:20] == 10).all()

    def test_sides_are_drawn_by_lot_the_same_every_time(self, pair_row):
        rows = self.rows(pair_row, 100)
        sides = [row.regions[0].left for row in rows]
        assert 30 < sides.count("a") < 70
        assert self.rows(pair_row, 100) == rows

    def test_other_forms_keep_a_on_the_left(self):
        row = converse([Region(BOX, "a", difference="It moved.") for _ in range(20)])
        assert {region.left for region in row.regions} == {"a"}

    def test_question_of_the_recipe(self, pair_row):
        question = "Where is {caption_a}? {x}"
        (row,) = run_operator(ConversationMapper, [pair_row()], form="choice", question=question)
        assert row.regions[0].conversations[0]["value"] == "<image>\nWhere is a car? {x}"

    def test_question_must_say_what_is_asked_after(self):
        with pytest.raises(ValueError, match=r"a choice needs \{caption_a\} in its question"):
            ConversationMapper.Params(form="choice", question="Which one?")

    def test_reads_the_caption_and_writes_the_side(self):
        operator = ConversationMapper(ConversationMapper.Params(form="choice"))
        assert operator.reads == ("regions.caption_a",)
        assert "regions.left" in operator.writes
