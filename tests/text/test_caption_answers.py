"""The caption in a language model's answer, for each kind of edit."""

import pytest

from imgdiff.text.caption_answers import read_answer
from imgdiff.text.lexicon import load_lexicon

CAPTION = "a red car on the sand"


def read(kind, answer, caption=CAPTION):
    return read_answer(kind, caption, answer, load_lexicon("english"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("a red boat on the sand", ("a red boat on the sand", "car", "boat")),
        ("  a red boat on the sand\n", ("a red boat on the sand", "car", "boat")),
        ('"a red boat on the sand"', ("a red boat on the sand", "car", "boat")),
        ("Caption: a red boat on the sand", ("a red boat on the sand", "car", "boat")),
        ("New caption: “a red boat on the sand”", ("a red boat on the sand", "car", "boat")),
        ("a red fire engine on the sand", ("a red fire engine on the sand", "car", "fire engine")),
        ("Sure, here is it:\na red boat on the sand", None),
        ("Sure! a red boat on the sand", None),
        ("a red boat on the sand\na red bus on the sand", None),
        ("a red car on the sand", None),
        ("a red car", None),
        ("a red car on the sand and a boat", None),
        ("a blue boat on the snow", None),  # in two places
        ("a red thing that nobody would ever call a car on the sand", None),
        ("I'm sorry, but I can't do that.", None),
        ("", None),
    ],
)
def test_replacements(answer, expected):
    assert read("replace", answer) == expected


@pytest.mark.parametrize(
    ("answer", "source", "target"),
    [
        ("a blue car on the sand", "red car", "blue car"),
        ("an orange car on the sand", "red car", "orange car"),
        ("Caption: a blue car on the sand", "red car", "blue car"),
        ("a large red car on the sand", "red car", "large red car"),
    ],
)
def test_attributes(answer, source, target):
    assert read("attribute", answer) == (answer.removeprefix("Caption: "), source, target)


@pytest.mark.parametrize(
    "answer",
    [
        "a red boat on the sand",  # another noun
        "a blue boat on the sand",
        "a car on the sand",  # taken out
        "a red car on the white sand and snow",
        "a blue car on the white sand",  # in two places
        "a dark blue car on the sand",
        "a parked car on the sand",  # no attribute that we know
        "a red car on the sand",
        "Sure! a blue car on the sand",
        "a red blue on the sand",
        "",
    ],
)
def test_no_change_of_one_attribute(answer):
    assert read("attribute", answer) is None


def test_an_attribute_in_the_place_of_the_noun_is_none():
    assert read("attribute", "a red orange", "a red car") is None


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("a red car and a blue boat on the sand", "blue boat"),
        ("a red car next to an old dog on the sand", "old dog"),
        ("a red car on the sand with a dog", "dog"),
        ("A red car, a tent, on the sand.", "tent"),
    ],
)
def test_additions(answer, target):
    assert read("add", answer) == (answer, "", target)


@pytest.mark.parametrize(
    "answer",
    [
        "a shiny red car on the sand",  # no object
        "a red car parked on the sand",
        "a red boat and a dog on the sand",  # the old caption is gone
        "a red car and a dog on the snow",
        "a red car and a dog on the sand next to a tree",  # two objects
        "a red car, a dog and a cat on the sand",
        "a red car and two dogs on the sand",
        "a red car on the sand and a dog that has been there for much too long",
        "a red car on the sand",
        "Sure! a red car and a dog on the sand",
        "",
    ],
)
def test_no_addition_of_one_object(answer):
    assert read("add", answer) is None
