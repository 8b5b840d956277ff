"""Object statistics, and what an image surely lacks."""

import json

import numpy as np
import pytest

from imgdiff.errors import RefusedError
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.objects import (
    ObjectStatistics,
    Shown,
    absent_objects,
    first_name,
    named_objects,
)

ENGLISH, TOYLAND = load_lexicon("english"), load_lexicon("toyland")
# car in three images, house beside it in two; boat in two, fish beside it in one
SHOWN = [["car", "house"], ["cars", "house"], ["car", "tree"], ["boat", "fish"], ["boat", "car"]]


def count(shown=SHOWN, lexicon=TOYLAND):
    return ObjectStatistics.count(shown, lexicon)


def test_counts_by_hand():
    statistics = count()
    assert statistics.images == 5
    assert statistics.frequency == {"car": 4, "house": 2, "tree": 1, "boat": 2, "fish": 1}
    assert statistics.together["car"] == {"house": 2, "tree": 1, "boat": 1}
    assert statistics.together["fish"] == {"boat": 1}


def test_an_object_counts_once_an_image_by_any_of_its_names():
    statistics = count([["couch", "sofa", "red sofas"]], ENGLISH)
    assert statistics.frequency == {"sofa": 1}
    assert statistics.together == {}


def test_the_way_into_a_file_and_back(tmp_path):
    path = tmp_path / "statistics.json"
    path.write_text(json.dumps(count().as_json()))
    assert ObjectStatistics.read(path) == count()
    assert next(iter(json.loads(path.read_text())["frequency"])) == "car"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), ("{", "expected images, freq"), ('{"images": 1}', "expected images")],
)
def test_another_file_is_refused(tmp_path, content, problem):
    path = tmp_path / "statistics.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RefusedError, match=f"statistics.json: {problem}"):
        ObjectStatistics.read(path)


@pytest.mark.parametrize(
    ("given", "name"),
    [("Automobile", "car"), ("red cars", "car"), ("police car", "police car"), ("Frob", "frob")],
)
def test_first_name(given, name):
    assert first_name(given, ENGLISH) == name


def test_named_objects_are_those_of_the_caption_once():
    assert named_objects("Two kittens, a cat and a couch", ENGLISH) == ["cat", "sofa"]


@pytest.mark.parametrize(
    ("caption", "objects", "absent"),
    [
        ("a dog", ["cat"], "kitten"),  # another word for it
        ("a police car", [], "car"),  # a kind of it
        ("a gull on a pier", [], "bird"),
        ("a street", ["bird"], "seagull"),  # it may be one
        ("a surfer", [], "person"),
        ("a person", [], "woman"),
        ("two sofas", [], "couch"),
        ("the frobs", ["frob"], "Frob"),  # unknown to the lexicon
    ],
)
def test_what_may_be_there_is_not_absent(caption, objects, absent):
    assert not Shown(caption, objects, ENGLISH).lacks(absent)


def test_other_things_are_absent():
    shown = Shown("a man and his dog", ["bench"], ENGLISH)
    assert all(shown.lacks(name) for name in ("cat", "car", "tree", "frob"))


def test_families_are_filled_by_their_rules():
    shown = Shown("a car", ["car"], TOYLAND)
    drawn = absent_objects(shown, ["car"], count(), np.random.default_rng(0), number=1)
    assert drawn["adversarial"] == ["house"]  # beside the car twice
    assert drawn["popular"] == ["boat"]  # twice in all
    assert drawn["random"] in (["tree"], ["fish"])


def test_no_object_is_in_two_families():
    shown = Shown("a car", ["car"], TOYLAND)
    names = list(TOYLAND.groups["animal"].things) + list(TOYLAND.groups["thing"].things)
    statistics = count([[thing[0]] for thing in names] + SHOWN)
    for seed in range(10):
        drawn = absent_objects(shown, ["car"], statistics, np.random.default_rng(seed))
        names = [name for family in drawn.values() for name in family]
        assert len(set(names)) == len(names) == 9
        assert "car" not in names


def test_few_absent_objects_fill_the_hardest_family_first():
    drawn = absent_objects(
        Shown("a car", ["car"], TOYLAND), ["car"], count(), np.random.default_rng(0)
    )
    assert drawn == {"adversarial": ["house", "boat", "tree"], "popular": ["fish"], "random": []}
