"""What counts as an answer of a model."""

import pytest

from imgdiff.text.answers import as_phrase, is_refusal, says_yes


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n",
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t help with that.",  # noqa: RUF001 (as many models write it)
        "im sorry",
        "I am sorry.",
        "Sorry, there is nothing.",
        "  SORRY",
        "I can't see the image.",
        "I can’t see the image.",  # noqa: RUF001
        "I cannot see the image.",
        "I am unable to say.",
        "I'm unable to say.",
        "As an AI, I have no eyes.",
        "Unfortunately, I cannot see it.",
        "See https://example.org for more.",
        "A car <image> on sand.",
        "A car.<|im_end|>",
        "A car.</s>",
        "USER: What is it? ASSISTANT: A car.",
    ],
)
def test_refusals(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "A red car.",
        "An apology is written on the card.",
        "A sign that says sorry.",
        "The cat is smaller (3 < 5) and to the left > right.",
        "Unfortunately, it is hidden by a tree.",
        "Nothing but grass.",
    ],
)
def test_answers(answer):
    assert not is_refusal(answer)


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("A red car.", "a red car"),
        ("  An apple ", "an apple"),
        ("The NASA rocket.", "the NASA rocket"),
        ("NASA's rocket.", "NASA's rocket"),
        ("Paris at night", "Paris at night"),
        ("Nothing but grass.", "nothing but grass"),
        ("Two cars. Both are red.", "two cars. Both are red"),
        ("a red car", "a red car"),
        ("A.", "a"),
        ("", ""),
    ],
)
def test_caption_within_a_sentence(caption, phrase):
    assert as_phrase(caption) == phrase


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("Yes.", True),
        (" yes, it is", True),
        ('"No"', False),
        ("NO", False),
        ("", None),
        ("Nothing is odd.", None),
        ("It is natural, yes.", None),
    ],
)
def test_yes_and_no(answer, yes):
    assert says_yes(answer) is yes
