"""Things put into captions and taken out of them."""

import numpy as np
import pytest

from imgdiff.text.chains import named, put_in, take_out
from imgdiff.text.lexicon import load_lexicon

ENGLISH, TOYLAND = load_lexicon("english"), load_lexicon("toyland")

TAKEN = [
    ("a red car and a blue mug on the sand", ["car"], "a blue mug on the sand"),
    ("a red car and a blue mug on the sand", ["mug"], "a red car on the sand"),
    ("a car, a mug and a ball on the sand", ["mug"], "a car and a ball on the sand"),
    ("a car, a mug and a ball on the sand", ["ball"], "a car and a mug on the sand"),
    ("a car, a mug and a ball on the sand", ["car", "ball"], "a mug on the sand"),
    ("a drawing of a car and a mug, on the water", ["car"], "a drawing of a mug, on the water"),
    ("a car next to a mug on the sand", ["car"], "a mug on the sand"),
    ("a car beside a mug, on the sand", ["mug"], "a car, on the sand"),
    ("A car next to a mug and a ball", ["mug"], "A car next to a ball"),
    ("A car next to a mug and a ball", ["car"], "A mug and a ball"),
]
TAKEN_FROM_PHOTOS = [
    (
        "A banana, an apple and an orange on a towel.",
        ["banana"],
        "An apple and an orange on a towel.",
    ),
    ("A man in a wetsuit carries a surfboard.", ["wetsuit"], "A man carries a surfboard."),
    ("A bathroom with a small toilet and a sink", ["toilet"], "A bathroom with a sink"),
    ("Two dogs and a cat on a couch", ["dog"], "A cat on a couch"),
]
LEFT = [
    ("A police officer on a motorcycle talks to a boy.", ["police officer"]),  # who would talk?
    ("A man and a woman cut a cake.", ["man"]),  # woman cut
    ("A bowl of oranges on a table", ["orange"]),  # a bowl of a table
    ("A dog chases a cat", ["cat"]),
    ("A dog on a sofa", ["car"]),  # not named
    ("A dog on a sofa", ["dog", "sofa"]),  # nothing would be left
]


@pytest.mark.parametrize(("caption", "objects", "left"), TAKEN)
def test_objects_are_taken_out_of_toyland(caption, objects, left):
    assert take_out(caption, objects, TOYLAND) == left


@pytest.mark.parametrize(("caption", "objects", "left"), TAKEN_FROM_PHOTOS)
def test_objects_are_taken_out_of_captions_of_photos(caption, objects, left):
    assert take_out(caption, objects, ENGLISH) == left


@pytest.mark.parametrize(("caption", "objects"), LEFT)
def test_what_would_be_no_sentence_is_left(caption, objects):
    assert take_out(caption, objects, ENGLISH) is None


def put(caption, objects, lexicon, seeds=20):
    return {put_in(caption, objects, lexicon, np.random.default_rng(seed)) for seed in range(seeds)}


def test_a_list_takes_an_object_anywhere_and_with_a_colour():
    colours = TOYLAND.attributes["colour"]
    expected = {
        form.format(f"a{'n' * (colour == 'orange')} {colour} tree")
        for (colour,) in colours
        for form in (
            "{}, a car and a mug on the sand",
            "a car, {} and a mug on the sand",
            "a car, a mug and {} on the sand",
        )
    }
    found = put("a car and a mug on the sand", ["tree"], TOYLAND, 300)
    assert found == expected


def test_objects_behind_a_thing_of_a_photo():
    assert put("Two dogs on a sofa", ["apple", "bread"], ENGLISH) == {
        "Two dogs next to an apple and bread on a sofa",
        "Two dogs on a sofa next to an apple and bread",
    }


def test_a_caption_that_names_no_place_gets_them_at_its_end():
    assert put("Waves crash at dusk.", ["dog", "car"], ENGLISH) == {
        "Waves crash at dusk with a dog and a car."
    }


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("apple", "an apple"),
        ("bread", "bread"),
        ("scissors", "scissors"),
        ("bus", "a bus"),
        ("glass", "a glass"),
        ("frobs", "frobs"),
    ],
)
def test_articles(name, phrase):
    assert named(name, ENGLISH, np.random.default_rng(0)) == phrase
