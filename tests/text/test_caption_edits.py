"""Captions edited with a lexicon: grammar first."""

import numpy as np
import pytest

from imgdiff.text.caption_edits import add_object, change_attribute, replace_noun
from imgdiff.text.lexicon import Group, Lexicon, load_lexicon
from imgdiff.text.words import swapped_spans

# two things: the other one is the only choice
FRUIT = Lexicon(
    {"fruit": Group((("apple",), ("pear",)), attributes=("colour",), beside=("fruit",))},
    attributes={"colour": (("orange",), ("grey", "gray"))},
    joined_by="next to",
)
ENGLISH = load_lexicon("english")


def rng(seed=0):
    return np.random.default_rng(seed)


def lexicon(*things, **facts):
    """One group of these things."""
    return Lexicon({"things": Group(tuple((thing,) for thing in things))}, **facts)


class TestReplace:
    @pytest.mark.parametrize(
        ("caption", "edited"),
        [
            ("a red apple on a table", "a red pear on a table"),
            ("an apple on a table", "a pear on a table"),
            ("a pear on a table", "an apple on a table"),
            ("A pear on a table", "An apple on a table"),
            ("An apple", "A pear"),
            ("the pear", "the apple"),
            ("a  pear", "an  apple"),
            ("Pear on a table", "Apple on a table"),
            ("a pear, cut open", "an apple, cut open"),
            ("two pears", "two apples"),
            ("Apples!", "Pears!"),
            ("A RED APPLE", "A RED PEAR"),
            ("APPLE on a table", "Pear on a table"),
            ("an APPLE", "a pear"),
            ("a pineapple and a pear", "a pineapple and an apple"),  # within a longer word it stays
            ("İzmir: a pear", "İzmir: an apple"),  # lower case is one character longer
        ],
    )
    def test_noun_and_article_are_replaced(self, caption, edited):
        assert replace_noun(caption, FRUIT, rng()).caption == edited

    def test_edit_names_old_and_new_noun(self):
        assert replace_noun("two plates and an apple", FRUIT, rng())[1:] == ("apple", "pear")

    @pytest.mark.parametrize(
        "caption",
        [
            "",
            "a plate",
            "pineapple juice",
            "an apple and a pear",
            "an apple and two pears",
            "an apple of gold",
            "a slice of apple",
        ],
    )
    def test_nothing_to_replace(self, caption):
        assert replace_noun(caption, FRUIT, rng()) is None

    def test_noun_whose_group_is_used_up_is_left_alone(self):
        groups = dict(FRUIT.groups) | {"vehicle": Group((("car",), ("boat",)))}
        for seed in range(20):
            edited = replace_noun("an apple, a pear and a car", Lexicon(groups), rng(seed))
            assert edited.caption == "an apple, a pear and a boat"

    @pytest.mark.parametrize(
        ("caption", "things", "edited"),
        [
            ("three mice", ("mouse", "wolf"), "three wolves"),
            ("two sheep", ("sheep", "goat"), "two goats"),
            ("two goats", ("sheep", "goat"), "two sheep"),
            ("a goat", ("sheep", "goat"), "a sheep"),
            ("a horse", ("horse", "unicorn"), "a unicorn"),
            ("a horse", ("horse", "hourglass"), "an hourglass"),
            ("a fire truck", ("fire truck", "airplane"), "an airplane"),
            ("a bag of rice", ("rice", "bread"), "a bag of bread"),
            ("some jeans", ("jeans", "shorts"), "some shorts"),
        ],
    )
    def test_number_is_kept(self, caption, things, edited):
        words = lexicon(
            *things,
            plurals=ENGLISH.plurals,
            plural_only=ENGLISH.plural_only,
            uncountable=ENGLISH.uncountable,
        )
        assert replace_noun(caption, words, rng()).caption == edited

    @pytest.mark.parametrize(
        ("old", "new"), [("shirt", "jeans"), ("rice", "taco"), ("taco", "rice")]
    )
    def test_no_number_in_common(self, old, new):
        words = lexicon(old, new, plural_only={"jeans"}, uncountable={"rice"})
        assert replace_noun(f"a photo with {old}", words, rng()) is None

    def test_who_is_spoken_of_stays_what_the_pronoun_says(self):
        changes = {replace_noun("A man and his dog", ENGLISH, rng(seed))[1:] for seed in range(20)}
        assert changes == {("man", "boy"), ("dog", "cat")}

    def test_words_for_the_same_are_no_choice(self):
        same = Lexicon({"furniture": Group((("sofa", "couch"),))})
        assert replace_noun("a couch", same, rng()) is None


class TestAttribute:
    @pytest.mark.parametrize(
        ("caption", "edited", "source", "target"),
        [
            ("a grey apple", "an orange apple", "grey apple", "orange apple"),
            ("An orange pear", "A grey pear", "orange pear", "grey pear"),
            ("Gray apples here", "Orange apples here", "gray apples", "orange apples"),
            ("a grey and an apple", "a grey and an orange apple", "apple", "orange apple"),
        ],
    )
    def test_one_becomes_another_of_its_kind(self, caption, edited, source, target):
        assert change_attribute(caption, FRUIT, rng()) == (edited, source, target)

    @pytest.mark.parametrize(
        ("caption", "edited"),
        [
            ("an apple, gray sky", "an orange apple, gray sky"),
            ("Apples under a grey sky", "Orange apples under a grey sky"),
            ("gray: two apples", "gray: two orange apples"),
        ],
    )
    def test_one_is_put_in_where_none_stands(self, caption, edited):
        assert change_attribute(caption, FRUIT, rng()).caption == edited

    @pytest.mark.parametrize(
        "caption",
        ["a dark grey apple", "a plate", "a rotten apple", "an orange and grey apple", ""],
    )
    def test_nothing_to_change(self, caption):
        assert change_attribute(caption, FRUIT, rng()) is None

    def test_an_attribute_suits_its_noun(self):
        for seed in range(60):
            edited = change_attribute("a banana on a plate", ENGLISH, rng(seed))
            if edited.source == "banana":
                assert edited.target in ("small banana", "large banana")


class TestAdd:
    @pytest.mark.parametrize(
        ("caption", "edited"),
        [
            ("a pear", "a pear next to an apple"),
            ("an apple on a table", "an apple next to a pear on a table"),
            ("Two pears are ripe.", "Two pears next to an apple are ripe."),
            ("a plate, a pear, a fork", "a plate, a pear next to an apple, a fork"),
        ],
    )
    def test_something_stands_beside_a_thing(self, caption, edited):
        target = "pear" if "next to a pear" in edited else "apple"
        assert add_object(caption, FRUIT, rng()) == (edited, "", target)

    @pytest.mark.parametrize(
        "caption",
        ["", "a plate", "a pear with a stone", "a pear of gold", "an apple and a pear"],
    )
    def test_nowhere_to_add(self, caption):
        assert add_object(caption, FRUIT, rng()) is None

    def test_no_colour_is_left(self):
        colours = "red orange yellow green blue purple white black"
        edited = add_object(f"{colours}: a car", load_lexicon("toyland"), rng())
        assert len(edited.target.split()) == 1

    def test_toyland_says_and_and_a_colour(self):
        for seed in range(20):
            edited = add_object("a red car on the sand", load_lexicon("toyland"), rng(seed))
            colour, noun = edited.target.split()
            assert colour != "red"
            assert noun != "car"
            assert (
                f"a red car and a{'n' * (colour == 'orange')} {colour} {noun} on" in edited.caption
            )


class TestEnglish:
    CAPTIONS = (
        "A brown dog is lying on a sofa in the living room",
        "Two chairs stand around a round table on a balcony",
        "A man in a hat reads a newspaper on a park bench",
        "an orange cat sleeps on a red and white blanket",
        "A pair of scissors and three mice",
    )

    @pytest.mark.parametrize("caption", CAPTIONS)
    def test_a_replacement_changes_one_stretch_of_words(self, caption):
        for seed in range(30):
            edited = replace_noun(caption, ENGLISH, rng(seed))
            old, new = swapped_spans(caption, edited.caption)
            assert old.of(caption).lower() == edited.source
            assert new.of(edited.caption).lower() == edited.target

    @pytest.mark.parametrize("caption", CAPTIONS[:4])
    def test_an_attribute_leaves_the_noun(self, caption):
        for seed in range(30):
            edited = change_attribute(caption, ENGLISH, rng(seed))
            assert edited.source.split()[-1] == edited.target.split()[-1]
            assert edited.source in caption.lower()
            assert edited.target in edited.caption.lower()
