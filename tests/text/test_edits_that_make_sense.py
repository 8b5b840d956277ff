"""Edits by the English lexicon: no part of a longer name changes, and what is put in fits."""

import json
import re
import time

import numpy as np
import pytest

from imgdiff import run
from imgdiff.text.caption_edits import add_object, change_attribute, replace_noun
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.objects import named_objects

ENGLISH = load_lexicon("english")


def edits(edit, caption, count=40):
    found = (edit(caption, ENGLISH, np.random.default_rng(k)) for k in range(count))
    return {each.caption for each in found if each is not None}


@pytest.mark.parametrize(
    ("caption", "edited"),
    [
        ("A german shepherd on a bench", "A german shepherd on a (chair|stool)"),
        ("A grocery store", "A (hotel|church|house|school)"),
        ("A charter bus drives by", "A (car|truck|van) drives by"),
        ("A small, white church", "A small, white (hotel|house|school|shop)"),
        ("A street in Orange", "A (path|sidewalk|bridge) in Orange"),
        ('A wall says "dog"', 'A fence says "dog"'),
    ],
)
def test_names_of_several_words_change_as_a_whole_or_not_at_all(caption, edited):
    found = edits(replace_noun, caption)
    assert found
    assert all(re.fullmatch(edited, each) for each in found)


@pytest.mark.parametrize(
    "caption",
    [
        "Riding boxing gloves",
        "A pizza box",
        "A ham and cheese sandwich",
        "A man next to another man",
        "A tennis court",
    ],
)
def test_what_no_edit_leaves_whole_is_left_alone(caption):
    assert edits(replace_noun, caption) == set()


@pytest.mark.parametrize(
    ("caption", "never"),
    [
        ("A skier in the snow", ("grass", "sand")),
        ("A giraffe eats leaves", ("zebra", "elephant")),
        ("A woman in a dress", ("A man", "boy")),
        ("A man with a beard", ("woman", "girl")),
        ("A dog catches a frisbee", ("cat catches",)),
        ("A policeman on a horse", ("pig", "cow", "goat")),
        ("A boat on the ocean", ("pond", "river", "lake")),
        ("A slice of pizza on a plate", ("burger", "taco")),
        ("A cat looks out a window", ("door",)),
    ],
)
def test_what_would_not_be_there_is_not_put_in(caption, never):
    found = edits(replace_noun, caption)
    assert not [each for each in found if any(word in f" {each} " for word in never)]


def test_stuff_is_known_but_is_no_object():
    caption = "A dog on the grass under a blue sky near a wall, a road and some water"
    assert named_objects(caption, ENGLISH) == ["dog"]
    stuff = ("sky", "wall", "grass", "road", "water", "window", "floor", "ceiling", "mountain")
    assert all(ENGLISH.nouns[word,] for word in stuff)


def test_a_neighbour_is_put_where_it_can_stand():
    assert edits(add_object, "A dog sleeps on a sofa") >= {"A dog next to a cat sleeps on a sofa"}
    assert edits(add_object, "A man in a hat rides a horse") == set()


def test_colours_are_those_that_a_thing_can_have():
    found = edits(change_attribute, "A brown dog")
    assert found == {f"A {colour} dog" for colour in ("white", "black", "grey")}


def test_ten_thousand_captions_take_seconds(project):
    captions = [f"A brown dog sleeps on a sofa beside {k} red chairs" for k in range(10_000)]
    project.write_captions([json.dumps({"caption": caption}) for caption in captions])
    steps = ["caption_edit_mapper"]
    project.write_recipe(process=steps, models={}, shard_rows=10_000, lexicon="english")
    began = time.process_time()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert time.process_time() - began < 40
    assert all(row.ok for row in project.rows())
