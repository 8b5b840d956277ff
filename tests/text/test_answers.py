"""What counts as an answer of a model."""

import pytest

from imgdiff.text.answers import as_phrase, is_refusal, read_yes_no


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


YES = [
    "Yes.",
    "yes",
    "YES",
    " yes, it is",
    "Yes, but it is small.",
    "Yes, there is no doubt.",
    "**Yes**",
    "_Yes_",
    "- Yes",
    "<answer>Yes</answer>",
    "The answer is yes.",
    "Answer: **Yes**, it is.",
    "The correct answer is: yes",
]
NO = [
    "No.",
    "no\n",
    " no\n",
    "NO",
    '"No"',
    "“No,” it says",
    "No, there is not.",
    "No there is none",
    "No—it is a boat.",
    "No people are there.",
    "Not that I can see.",
    "Not really, no.",
    "not at all",
    "Final answer: no",
]
NEITHER = [
    "",
    "  ",
    "I cannot tell.",
    "I'm not sure.",
    "Not sure.",
    "Not every car is red.",
    "Nothing is odd.",
    "None.",
    "Nope-like things",
    "No-parking sign",
    "North of it, no.",
    "Yesterday, yes.",
    "It is natural, yes.",
    "There is no car.",
    "Perhaps.",
    "Yes or no?",
    "yes/no",
    "Yes and no.",
    "The answer depends.",
    "Answer",
]


@pytest.mark.parametrize(
    ("answer", "yes"),
    [*((a, True) for a in YES), *((a, False) for a in NO), *((a, None) for a in NEITHER)],
)
def test_yes_and_no(answer, yes):
    assert read_yes_no(answer) is yes


@pytest.mark.timeout(20)
def test_an_answer_of_any_length_is_read_at_once():
    long = {part: read_yes_no(part * 200_000) for part in (".", "_ ", "**", "yes ", "no ")}
    assert long == {".": None, "_ ": None, "**": None, "yes ": True, "no ": False}
