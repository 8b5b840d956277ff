"""conversation_mapper: a question and its answer for every kept region."""

import pytest

from imgdiff.rows import Region
from imgdiff.testing import make_row, run_operator
from operators.samples.conversation_mapper import ConversationMapper

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
