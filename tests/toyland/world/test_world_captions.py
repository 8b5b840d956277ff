"""What captions say is true of their scenes."""

import re

import numpy as np
import pytest

from imgdiff.toyland.world.captions import difference, full_phrase, scene_caption, telling
from imgdiff.toyland.world.sampling import PLAIN, generator, sample_scene
from imgdiff.toyland.world.scenes import Scene, Thing, Tie
from imgdiff.toyland.world.vocabulary import COLOURS, GROUNDS, category_plural

SCENES = [sample_scene(generator("validation", seed)) for seed in range(600)]
CAPTIONS = [scene_caption(s, np.random.default_rng(k)) for k, s in enumerate(SCENES)]


def test_every_thing_is_named_with_its_colour_and_nothing_else():
    for scene, caption in zip(SCENES, CAPTIONS, strict=True):
        first = caption.partition(". ")[0]
        words = {t.name for t in scene.things} | {
            f"{t.colour} {category_plural(t.category)}" for t in scene.things
        }
        named = re.findall(rf"\b(?:{'|'.join(COLOURS)}) \w+", first)
        assert set(named) <= words
        for thing in scene.things:
            assert f"{thing.colour} {thing.category}" in first or (
                f"{thing.colour} {category_plural(thing.category)}" in first
            )


def test_sizes_digits_places_and_light_that_are_told_are_true():
    told = {"size": 0, "digit": 0, "place": 0, "dusk": 0, "relation": 0}
    for scene, caption in zip(SCENES, CAPTIONS, strict=True):
        by_category = {thing.category: thing for thing in scene.things}
        for size, name in re.findall(r"\b(small|big) (\w+ \w+)\b", caption):
            _, noun = name.split()
            sizes = [
                t.size for t in scene.things if noun in (t.category, category_plural(t.category))
            ]
            assert size in sizes
            told["size"] += 1
        for noun, digit in re.findall(r"(\w+) (?:with|has) the number (\d)", caption):
            assert by_category[noun].digit == digit
            told["digit"] += 1
        for noun, place in re.findall(r"The (\w+) is (?:on|in) the (left|middle|right)\b", caption):
            assert by_category[noun].place == place
            told["place"] += 1
        for noun, side, other in re.findall(r"The (\w+) is to the (\w+) of the (\w+)", caption):
            assert (by_category[noun].x < by_category[other].x) == (side == "left")
            told["relation"] += 1
        assert ("dusk" in caption) <= (scene.look == "dusk")
        assert ("outline" in caption) <= (scene.look == "outline")
        told["dusk"] += "dusk" in caption
    assert min(told.values()) >= 20, told


def test_one_to_three_sentences():
    sentences = [caption.replace(". It is dusk", "").count(". ") + 1 for caption in CAPTIONS]
    assert set(sentences) == {1, 2, 3}
    single = [scene_caption(s, np.random.default_rng(k), 1) for k, s in enumerate(SCENES[:200])]
    assert all(". " not in text.replace(". It is dusk", "") for text in single)


def test_a_ground_is_named_unless_things_are_told_by_how_they_stand():
    for scene, caption in zip(SCENES, CAPTIONS, strict=True):
        grounds = [ground for ground in GROUNDS if re.search(rf"\b{ground}\b", caption)]
        assert grounds in ([scene.ground], [])
        assert grounds or scene.ties


def test_what_stands_on_and_behind():
    mug = Thing(0, "mug", "blue", 40.0, 50.0, 12.0, False)
    crate = Thing(1, "crate", "red", 40.0, 80.0, 20.0, False)
    scene = Scene((crate, mug), "sand", 0.3, 0.0, ties=(Tie("on", 0, 1),))
    said = {scene_caption(scene, np.random.default_rng(k)) for k in range(60)}
    assert any("blue mug on a red crate" in text for text in said)
    behind = Scene((mug, crate), "sand", 0.3, 0.0, ties=(Tie("behind", 0, 1),))
    said = {scene_caption(behind, np.random.default_rng(k)) for k in range(60)}
    assert any("blue mug behind a red crate" in text for text in said)
    assert any("red crate in front of a small blue mug" in text for text in said)


def test_one_telling_differs_only_where_the_scene_does():
    scene = sample_scene(generator("test", 3), PLAIN, count=2)
    told = telling(scene, np.random.default_rng(0))
    key = scene.keys[0]
    other = scene.with_thing(key, category="duck", colour="red")
    before, after = told.words(scene), told.words(other)
    assert before.replace(scene[key].category, "duck") != before
    assert after.count(" ") == before.count(" ")


@pytest.mark.parametrize(("size", "digit"), [(12.0, ""), (30.0, "7"), (18.0, "")])
def test_full_phrases(size, digit):
    thing = Thing(0, "ball", "orange", 64.0, 64.0, size, False, digit)
    words = {12.0: "a small orange ball", 30.0: "a big orange ball with the number 7"}
    assert full_phrase(thing) == words.get(size, "an orange ball")


def test_differences_in_words():
    assert difference("a red car", "a red car") == "Both images show a red car."
    assert difference("a red car", "nothing but sand") == (
        "The left image shows a red car, while the right image shows nothing but sand."
    )
