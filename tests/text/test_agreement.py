"""Whether a text names what two captions exchange."""

import pytest

from imgdiff.text.agreement import NamedThing, agreement, exchanged
from imgdiff.text.lexicon import load_lexicon

CAR, BOAT = ("car",), ("boat",)


def thing(noun, *looks):
    return NamedThing(noun, frozenset(looks))


@pytest.fixture
def toyland():
    return load_lexicon("toyland")


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "things"),
    [
        (  # replaced: the attribute that both have belongs to it
            "a red car and a mug on grass",
            "a red boat and a mug on grass",
            ([thing(CAR, "red")], [thing(BOAT, "red")]),
        ),
        (  # looks different
            "a red car on grass",
            "a blue car on grass",
            ([thing(CAR, "red")], [thing(CAR, "blue")]),
        ),
        (  # added
            "a red car on grass",
            "a red car and a blue boat on grass",
            ([], [thing(BOAT, "blue")]),
        ),
        ("a red car on grass", "a red car on sand", ([], [])),
        ("a red car on grass", "a red car on grass", ([], [])),
    ],
)
def test_what_captions_exchange(toyland, caption_a, caption_b, things):
    assert exchanged(caption_a, caption_b, toyland) == things


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("A red car.", 1),
        ("A car.", 0.5),
        ("A blue car.", 0.5),
        ("A red boat.", 0),
        ("A blue car and a red boat.", 0.5),  # the colour is another thing's
        ("A mug and a red car.", 1),
        ("", 0),
    ],
)
def test_agreement(toyland, text, share):
    assert agreement([thing(CAR, "red")], text, toyland) == share


def test_the_worst_of_several_things_counts(toyland):
    assert agreement([thing(CAR, "red"), thing(BOAT, "red")], "A red car.", toyland) == 0


def test_other_names_of_the_same_thing():
    english = load_lexicon("english")
    (wanted,), _ = exchanged("a grey sofa by a window", "a grey chair by a window", english)
    assert agreement([wanted], "The image shows a gray couch.", english) == 1
    (man,), _ = exchanged("a man on a bench", "a dog on a bench", english)
    assert agreement([man], "A skateboarder in the sun.", english) == 1


def test_an_unknown_word_between_look_and_noun():
    english = load_lexicon("english")
    (wanted,), _ = exchanged("a red car on a road", "a red bus on a road", english)
    assert agreement([wanted], "A red vintage car.", english) == 1
