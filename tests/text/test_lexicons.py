"""The shipped lexicons hold together."""

from collections import Counter

import pytest

from imgdiff.operators.caption_pairs.caption_edit_mapper import CaptionEditParams
from imgdiff.text.lexicon import LEXICON_NAMES, NUMBERS, load_lexicon
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS

both = pytest.mark.parametrize("name", LEXICON_NAMES)


def names(lexicon):
    return [name for g in lexicon.groups.values() for thing in g.things for name in thing]


def test_every_lexicon_is_a_setting():
    for name in LEXICON_NAMES:
        assert CaptionEditParams(lexicon=name).lexicon == name


def test_toyland_has_its_groups_and_colours():
    lexicon = load_lexicon("toyland")
    groups = lexicon.groups.items()
    assert {thing[0]: name for name, group in groups for thing in group.things} == CATEGORIES
    assert [alike[0] for alike in lexicon.attributes["colour"]] == list(COLOURS)


def test_english_has_hundreds_of_nouns():
    lexicon = load_lexicon("english")
    assert len(names(lexicon)) >= 500
    assert len(lexicon.groups) >= 15


@both
def test_a_noun_stands_in_one_group_once(name):
    assert [noun for noun, count in Counter(names(load_lexicon(name))).items() if count > 1] == []


@both
def test_groups_and_kinds_that_are_named_exist(name):
    lexicon = load_lexicon(name)
    for group in lexicon.groups.values():
        assert set(group.beside) <= lexicon.groups.keys()
        assert set(group.attributes) <= lexicon.attributes.keys()
    assert (lexicon.added_attribute or "colour") in lexicon.attributes


@both
def test_what_is_said_of_nouns_is_said_of_known_ones(name):
    lexicon = load_lexicon(name)
    known = {*names(lexicon), *(noun.split()[-1] for noun in names(lexicon))}
    assert lexicon.plurals.keys() <= known
    assert lexicon.plural_only | lexicon.uncountable <= known
    assert lexicon.also_verbs <= known | lexicon.heads


@both
def test_no_form_of_a_noun_is_that_of_a_noun_of_another_thing(name):
    lexicon = load_lexicon(name)
    for group in lexicon.groups.values():
        for thing in group.things:
            for number in NUMBERS:
                for form in filter(None, (lexicon.form(noun, number) for noun in thing)):
                    noun = lexicon.nouns[tuple(form.split())]
                    assert noun is None or noun.thing == thing  # glasses: of either kind
