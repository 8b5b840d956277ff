"""What is said about scenes."""

import re
from collections import Counter

import pytest

from imgdiff.toyland.captions import difference, join, nothing_but, phrase, scene_caption
from imgdiff.toyland.scenes import generator, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, GROUNDS, with_article


@pytest.fixture(scope="module")
def captioned():
    rngs = [generator("train", seed) for seed in range(400)]
    made = [(sample_scene(rng), rng) for rng in rngs]
    return [(scene, scene_caption(scene, rng)) for scene, rng in made]


def test_every_object_is_named_once_with_its_article(captioned):
    for scene, caption in captioned:
        named = re.findall(r"\b(an? \w+ \w+)", caption)
        named = [name for name in named if name.split()[-1] in CATEGORIES]
        assert Counter(named) == Counter(phrase(thing) for thing in scene.objects)


def test_article_fits_the_next_word(captioned):
    for _, caption in captioned:
        for article, letter in re.findall(r"\b(an?) (\w)", caption):
            assert article == ("an" if letter in "aeiou" else "a")


def test_ground_is_named(captioned):
    assert all(caption.endswith(f"on the {scene.ground}") for scene, caption in captioned)


def test_there_are_several_forms(captioned):
    forms = set()
    for scene, caption in captioned:
        for thing in scene.objects:
            caption = caption.replace(phrase(thing), "X")
        forms.add(caption.replace(scene.ground, "G"))
    # five forms for one, two and three objects, and two more for pairs
    assert len(forms) == 17


def test_order_of_objects_varies(captioned):
    pairs = [(s, c) for s, c in captioned if len(s.objects) == 2]
    in_order = [c.index(phrase(s.objects[0])) < c.index(phrase(s.objects[1])) for s, c in pairs]
    assert 0.4 < sum(in_order) / len(in_order) < 0.6


def test_nothing_but_names_the_ground(captioned):
    said = {scene.ground: nothing_but(scene) for scene, _ in captioned}
    assert said == {ground: f"nothing but {ground}" for ground in GROUNDS}


@pytest.mark.parametrize(
    ("words", "expected"),
    [("red car", "a red car"), ("orange car", "an orange car"), ("mug", "a mug")],
)
def test_article(words, expected):
    assert with_article(words) == expected


@pytest.mark.parametrize(
    ("things", "expected"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_join(things, expected):
    assert join(things) == expected


def test_difference():
    assert difference("a red car", "a mug") == (
        "The left image shows a red car, while the right image shows a mug."
    )
    assert difference("a mug", "a mug") == "Both images show a mug."
