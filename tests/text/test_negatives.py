"""The 27 negatives of a caption, by rules."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.mentions import mentions
from imgdiff.text.negatives import (
    INSERTED,
    Negative,
    NegativeTask,
    alter,
    distinct,
    negatives,
    plan,
)
from imgdiff.text.objects import ObjectStatistics, Shown, named_objects
from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import generator, sample_scene

ENGLISH, TOYLAND = load_lexicon("english"), load_lexicon("toyland")
PHOTOS = Path(__file__).parent / "photo_captions.jsonl"


def scenes(count):
    for k in range(count):
        rng = generator("test", k)
        scene = sample_scene(rng)
        yield scene_caption(scene, rng), [thing.category for thing in scene.objects]


@pytest.fixture(scope="module")
def toyland():
    """(caption, objects, its negatives) of 100 scenes."""
    shown = list(scenes(100))
    statistics = ObjectStatistics.count((objects for _, objects in shown), TOYLAND)
    return [
        (c, o, negatives(c, o, statistics, TOYLAND, np.random.default_rng(k)))
        for k, (c, o) in enumerate(shown)
    ]


def test_every_scene_gets_all_27(toyland):
    for _, objects, found in toyland:
        families = Counter(negative.family for negative in found)
        assert [families[family] for family in INSERTED] == [7, 7, 7]
        assert families["remove"] + families["alter"] == 6
        assert families["remove"] == {1: 0, 2: 2, 3: 6}[len(objects)]


def test_no_caption_comes_twice_nor_is_it_the_positive(toyland):
    for caption, _, found in toyland:
        texts = {negative.caption.lower() for negative in found} | {caption.lower()}
        assert len(texts) == 28


def test_what_is_put_in_is_absent_and_named_and_the_rest_stays(toyland):
    for _, objects, found in toyland:
        for negative in found:
            if negative.family in INSERTED:
                assert not set(negative.objects) & set(objects)
                named = named_objects(negative.caption, TOYLAND)
                assert sorted(named) == sorted([*objects, *negative.objects])


def test_no_object_is_drawn_by_two_families(toyland):
    for _, _, found in toyland:
        drawn = {
            family: {name for n in found if n.family == family for name in n.objects}
            for family in INSERTED
        }
        assert sum(map(len, drawn.values())) == 9
        assert len(set.union(*drawn.values())) == 9


def test_what_is_taken_out_is_gone_and_the_rest_stays(toyland):
    for _, objects, found in toyland:
        for negative in found:
            if negative.family == "remove":
                left = set(objects) - set(negative.objects)
                assert set(named_objects(negative.caption, TOYLAND)) == left


def test_an_alteration_says_something_untrue_of_what_it_names(toyland):
    for caption, objects, found in toyland:
        true = {_look(caption, mention) for mention in mentions(caption, TOYLAND)}
        for negative in found:
            if negative.family == "alter":
                said = {_look(negative.caption, m) for m in mentions(negative.caption, TOYLAND)}
                assert len(said) == len(objects)
                assert said - true
                assert set(negative.objects) <= set(objects)


def _look(caption, mention):
    return mention.phrase.of(caption)


def test_the_generator_decides():
    caption, objects = next(scenes(1))
    statistics = ObjectStatistics.count((o for _, o in scenes(50)), TOYLAND)
    first, again, other = (
        negatives(caption, objects, statistics, TOYLAND, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_captions_of_photos_are_written_too():
    captions = [json.loads(line)["caption"] for line in PHOTOS.read_text().splitlines()]
    statistics = ObjectStatistics.count((named_objects(c, ENGLISH) for c in captions), ENGLISH)
    for k, caption in enumerate(captions):
        found = negatives(caption, [], statistics, ENGLISH, np.random.default_rng(k))
        assert len(found) == len({n.caption for n in found})
        assert caption not in {n.caption for n in found}
        inserted = [n for n in found if n.family in INSERTED]
        assert len(inserted) == 21
        for negative in inserted:
            assert all(name in negative.caption for name in negative.objects)
        assert all(n.caption[0].isupper() for n in found)


STATISTICS = ObjectStatistics.count([["dog", "cat"], ["dog", "bowl"], ["chair"]], ENGLISH)


def changes(caption, objects):
    tasks = plan(caption, objects, STATISTICS, ENGLISH, np.random.default_rng(0))
    return [task for task in tasks if task.family not in INSERTED]


def test_three_objects_of_the_caption_are_taken_out_by_ones_and_twos():
    found = changes("a sofa, a lamp and a rug", ["sofa", "lamp", "rug", "tv"])
    assert found == [
        NegativeTask("remove", objects)
        for objects in (
            *(("sofa",), ("lamp",), ("rug",)),
            *(("sofa", "lamp"), ("sofa", "rug"), ("lamp", "rug")),
        )
    ]


def test_an_object_that_the_caption_does_not_name_is_altered():
    found = changes("a place with a sofa and a lamp", ["rug", "sofa", "lamp"])
    families = {task.objects: task.family for task in found}
    assert families["sofa",] == families["lamp",] == "remove"
    assert families["rug",] == families["sofa", "rug"] == "alter"
    # both of what it names: nothing would be left
    assert families["sofa", "lamp"] == "alter"


def test_without_objects_nothing_is_changed():
    assert changes("a sunny day", []) == []


def test_an_alteration_never_names_another_thing_that_is_there():
    shown = Shown("a red mug", ["mug", "teapot", "ball"], TOYLAND)
    found = {
        alter("a red mug", ["mug"], shown, TOYLAND, np.random.default_rng(k)).caption
        for k in range(60)
    }
    assert "a red snowman" in found
    assert not any("teapot" in text or "ball" in text for text in found)


def test_where_nothing_is_known_nothing_is_altered():
    shown = Shown("a sunny day", ["frob"], ENGLISH)
    assert alter("a sunny day", ["frob"], shown, ENGLISH, np.random.default_rng(0)) is None


def test_case_and_spaces_make_no_other_caption():
    found = [Negative(text, "alter", ()) for text in ("A  cat.", "a cat", "a dog", "A dog ")]
    assert [n.caption for n in distinct("the end", found)] == ["A  cat.", "a dog"]
    assert next(distinct("A cat", found)).caption == "a dog"
