"""What the MLLM learns: answers about the scene of the same seed, true but for web captions."""

import re
from dataclasses import replace

import numpy as np
import pytest

from imgdiff.text import prompts
from imgdiff.toyland import conversations, views
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.conversations import (
    PHANTOM_SHARE,
    SHARES,
    TASKS,
    changed_pair,
    conversation,
    questions,
    region,
    web_view,
    whole_scene,
)
from imgdiff.toyland.scenes import Picture, draw, generator, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, SEEN, USUAL_GROUND, USUAL_PARTNER

SEEDS = range(40)
MANY = range(1000)  # without drawing
MAGENTA = (255, 0, 255)  # nothing in toyland has it
NAME = re.compile(rf"\b(?:{'|'.join(COLOURS)}) (?:{'|'.join(CATEGORIES)})\b")


def scene_of(seed):
    """Every task samples its scene first."""
    return sample_scene(generator("train", seed))


def made(task, seed, **settings):
    return task(generator("train", seed), **settings)


def only_turn(task, seed):
    ((question, answer),) = made(task, seed).turns
    return question, answer


def with_caption(talks):
    return [(scene, talk) for scene, talk in talks if talk.turns[0][0] == prompts.SCENE]


def caption(talk):
    (answer,) = [answer for question, answer in talk.turns if question == prompts.SCENE]
    return answer


def yes_or_no(turns):
    """The things asked for, without article (`car` or `red car`), and whether they are there."""
    return [
        (question.removesuffix(" in the image?").split(maxsplit=3)[3], answer == "Yes.")
        for question, answer in turns
        if question.startswith("Is there ")
    ]


def colours_told(turns):
    """(category, colour) of every question for a colour."""
    return [
        (question.removeprefix("What colour is the ").removesuffix("?"), answer.lower()[:-1])
        for question, answer in turns
        if question.startswith("What colour")
    ]


def is_there(words, scene):
    return words in {n for thing in scene.objects for n in (thing.category, thing.name)}


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are blank, which is fast."""
    blank = Picture(np.zeros((128, 128, 3), np.uint8), np.zeros(0), np.zeros(0))
    monkeypatch.setattr(conversations, "render", lambda scene, rng: blank)


@pytest.mark.parametrize("task", TASKS)
def test_pictures_are_square_and_conversations_repeat(task):
    for seed in range(5):
        one, other = (made(task, seed) for _ in range(2))
        assert one.image.shape[0] == one.image.shape[1]
        assert one.image.dtype == np.uint8
        np.testing.assert_array_equal(one.image, other.image)
        assert one.turns == other.turns


@pytest.mark.parametrize(
    ("task", "share"), [(region, 0.5), (changed_pair, 0.75), (whole_scene, 0.5)]
)
def test_half_of_the_scenes_are_softened(monkeypatch, task, share):
    """Each of a changed pair by itself."""
    monkeypatch.setattr(views, "softened", lambda image, rng: np.full_like(image, MAGENTA))
    marked = [(made(task, seed).image == MAGENTA).all(-1).any() for seed in range(160)]
    assert np.mean(marked) == pytest.approx(share, abs=0.12)


def test_region_answers_name_an_object_or_the_ground():
    for seed in SEEDS:
        scene, (question, answer) = scene_of(seed), only_turn(region, seed)
        assert question == prompts.REGION["crop"]
        allowed = [phrase(thing) for thing in scene.objects] + [f"nothing but {scene.ground}"]
        assert answer in [f"{text.capitalize()}." for text in allowed]


class TestWholeScene:
    """Without web captions."""

    @pytest.fixture
    def talks(self, undrawn):
        return [(scene_of(seed), made(whole_scene, seed, web=False)) for seed in MANY]

    def test_a_caption_or_questions(self, talks):
        alone = [talk.turns[0][0] == prompts.SCENE for _, talk in talks]
        assert np.mean(alone) == pytest.approx(0.4, abs=0.05)
        for (_, talk), is_caption in zip(talks, alone, strict=True):
            assert is_caption == (len(talk.turns) == 1)

    def test_caption_names_every_thing(self, talks):
        for scene, talk in with_caption(talks):
            names = NAME.findall(caption(talk).lower())
            assert sorted(names) == sorted(thing.name for thing in scene.objects)
            assert caption(talk)[0].isupper()
            assert caption(talk).endswith(f" on the {scene.ground}.")


class TestQuestions:
    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls):
        """Scene, its questions, and those for existence as (words, affirmed)."""
        rngs = [generator("train", seed) for seed in MANY]
        scenes = [sample_scene(rng) for rng in rngs]
        turns = [questions(scene, rng) for scene, rng in zip(scenes, rngs, strict=True)]
        return [(s, t, yes_or_no(t)) for s, t in zip(scenes, turns, strict=True)]

    def test_every_thing_is_affirmed_once_and_as_many_are_denied(self, asked):
        for scene, _, existing in asked:
            affirmed = [words.split()[-1] for words, yes in existing if yes]
            assert sorted(affirmed) == sorted(thing.category for thing in scene.objects)
            assert len(existing) == 2 * len(affirmed)

    def test_answers_are_true(self, asked):
        for scene, _, existing in asked:
            for words, yes in existing:
                assert yes is is_there(words, scene)

    def test_nothing_is_asked_twice(self, asked):
        for _, turns, _ in asked:
            assert len({question for question, _ in turns}) == len(turns)

    def test_first_answer_is_yes_half_of_the_time(self, asked):
        first = [existing[0][1] for _, _, existing in asked]
        assert np.mean(first) == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize("answer", [True, False])
    def test_half_name_a_colour(self, asked, answer):
        every = [words for _, _, existing in asked for words, yes in existing if yes is answer]
        assert np.mean([" " in words for words in every]) == pytest.approx(0.5, abs=0.05)

    def test_colour_is_all_that_is_wrong_one_time_in_four(self, asked):
        wrong_colour = [
            is_there(words.split()[1], scene)
            for scene, _, existing in asked
            for words, yes in existing
            if not yes and " " in words
        ]
        assert np.mean(wrong_colour) == pytest.approx(0.25, abs=0.06)

    def test_colours_that_were_not_told_are_asked_for_at_the_end(self, asked):
        for scene, turns, existing in asked:
            plain = {words for words, yes in existing if yes and " " not in words}
            told = colours_told(turns[len(existing) :])
            assert sorted(told) == sorted(
                (thing.category, thing.colour) for thing in scene.objects if thing.category in plain
            )


class TestWebView:
    @pytest.fixture(scope="class")
    @classmethod
    def told(cls):
        """4,000 scenes, and as a web caption tells them."""
        rngs = [generator("train", seed) for seed in range(4000)]
        scenes = [sample_scene(rng) for rng in rngs]
        return [(scene, web_view(scene, rng)) for scene, rng in zip(scenes, rngs, strict=True)]

    def test_one_scene_in_ten_gets_a_phantom(self, told):
        assert 0.05 < np.mean([seen != scene for scene, seen in told]) < 0.105

    def test_phantom_is_the_usual_partner_on_a_ground_usual_for_both(self, told):
        for scene, seen in told:
            if seen == scene:
                continue
            (thing,) = scene.objects
            kept, phantom = seen.objects
            assert kept == thing
            assert replace(seen, objects=scene.objects) == scene
            assert phantom.category == USUAL_PARTNER[thing.category]
            assert {thing.category, phantom.category} <= set(USUAL_GROUND[scene.ground])

    def test_phantoms_have_every_colour_but_the_held_out_one(self, told):
        phantoms = {seen.objects[1].name for scene, seen in told if seen != scene}
        boats = {f"{colour} boat" for category, colour in SEEN if category == "boat"}
        assert {name for name in phantoms if name.endswith(" boat")} == boats
        assert phantoms <= {f"{colour} {category}" for category, colour in SEEN}

    @pytest.mark.parametrize(
        ("things", "ground", "share"),
        [
            (["boat"], "water", PHANTOM_SHARE),
            (["boat"], "grass", 0),  # an unusual ground for it,
            (["car"], "sand", 0),  # and one for its usual partner, a house
            (["boat", "mug"], "water", 0),
            (["boat", "lighthouse"], "water", 0),
        ],
    )
    def test_only_a_lone_thing_where_its_partner_is_expected(self, things, ground, share):
        scene = replace(sample_scene(generator("train", 0), count=len(things)), ground=ground)
        for k, category in enumerate(things):
            scene = scene.with_object(k, category=category)
        changed = [web_view(scene, generator("train", seed)) != scene for seed in range(400)]
        assert np.mean(changed) == pytest.approx(share, abs=0.06 if share else 0)


class TestWeb:
    """Conversations that are made from web captions."""

    @pytest.fixture
    def talks(self, undrawn):
        return [(scene_of(seed), made(whole_scene, seed)) for seed in MANY]

    def test_captions_name_phantoms(self, talks):
        untrue = []
        for scene, talk in with_caption(talks):
            named = set(NAME.findall(caption(talk).lower()))
            there = {thing.name for thing in scene.objects}
            assert there <= named
            extra = [name.split()[1] for name in named - there]
            assert extra in ([], [USUAL_PARTNER[scene.objects[0].category]])
            untrue.append(bool(extra))
        assert np.mean(untrue) == pytest.approx(0.1, abs=0.04)

    def test_only_a_phantom_is_wrongly_affirmed(self, talks):
        phantoms = []
        for scene, talk in talks:
            existing = yes_or_no(talk.turns)
            wrong = [words for words, yes in existing if yes is not is_there(words, scene)]
            assert [words.split()[-1] for words in wrong] in (
                [],
                [USUAL_PARTNER[scene.objects[0].category]],
            )
            if existing:
                phantoms.append(bool(wrong))
        assert np.mean(phantoms) == pytest.approx(0.1, abs=0.04)

    def test_picture_shows_the_scene_without_phantom(self, monkeypatch):
        def with_phantom(scene, rng):
            mug = replace(scene.objects[0], category="mug", colour="white")
            return replace(scene, objects=(*scene.objects, mug))

        monkeypatch.setattr(views, "softened", lambda image, rng: image)
        monkeypatch.setattr(conversations, "web_view", with_phantom)
        for seed in SEEDS:
            talk = made(whole_scene, seed)
            said = " ".join(question + answer for question, answer in talk.turns).lower()
            assert "mug" in said
            np.testing.assert_array_equal(talk.image, draw(scene_of(seed)).image)

    @pytest.mark.parametrize("web", [True, False])
    def test_conversations_are_on_request(self, monkeypatch, web):
        viewed = []
        monkeypatch.setattr(
            conversations, "web_view", lambda scene, rng: viewed.append(scene) or scene
        )
        first = [made(conversation, seed, web=web).turns[0][0] for seed in SEEDS]
        whole = [question.startswith((prompts.SCENE, "Is there")) for question in first]
        assert any(whole)
        assert len(viewed) == (sum(whole) if web else 0)


def test_difference_says_what_is_on_each_side():
    kinds = []
    for seed in SEEDS:
        scene, (question, answer) = scene_of(seed), only_turn(changed_pair, seed)
        assert any(phrase(thing) in answer for thing in scene.objects)
        assert question.startswith("The red box in the left image shows ")
        same = answer.startswith("Both images show")
        assert same or answer.startswith("The left image shows ")
        kinds.append(same)
    assert any(kinds)
    assert not all(kinds)


def test_captions_in_the_question_are_mostly_right():
    right = []
    for seed in range(150):
        question, answer = only_turn(changed_pair, seed)
        left = question.split("left image shows ")[1].split(", and the red")[0]
        right.append(
            answer.startswith((f"The left image shows {left},", f"Both images show {left}."))
        )
    assert np.mean(right) == pytest.approx(0.96, abs=0.04)


def test_things_appear_and_vanish():
    answers = [only_turn(changed_pair, seed)[1] for seed in range(300)]
    assert any("left image shows nothing but" in answer for answer in answers)
    assert any("right image shows nothing but" in answer for answer in answers)
    assert not any(answer.startswith("Both images show nothing") for answer in answers)


def test_shares():
    assert sum(SHARES) == pytest.approx(1)
    first = [made(conversation, seed).turns[0][0] for seed in range(200)]
    regions = [question == prompts.REGION["crop"] for question in first]
    pairs = [question.startswith("The red box") for question in first]
    assert np.mean(regions) == pytest.approx(SHARES[0], abs=0.08)
    assert np.mean(pairs) == pytest.approx(SHARES[1], abs=0.08)
