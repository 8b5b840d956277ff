"""Object phrases and their places."""

import pytest

from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.phrases import (
    listed_phrases,
    noun_phrases,
    occurrences,
)
from imgdiff.text.words import Span

ENGLISH, TOYLAND = load_lexicon("english"), load_lexicon("toyland")

NAMED = [
    ("A red boat and a white lighthouse on the water.", ["A red boat", "a white lighthouse"]),
    ("There is an orange car, a blue mug and a tent.", ["an orange car", "a blue mug", "a tent"]),
    ("A teapot. A mug!", ["A teapot", "A mug"]),
    ("Nothing but grass.", []),
]
NAMED_IN_ENGLISH = [
    ("A small fluffy dog sits next to two cats.", ["A small fluffy dog", "two cats"]),
    ("The man, tall and tired, rides his old bicycle.", ["The man", "his old bicycle"]),
    ("Catfish swim near a cat.", ["a cat"]),
    ("A cat looks at a cat.", ["A cat", "a cat"]),
    ("Dogs run.", ["Dogs"]),
]


@pytest.mark.parametrize(
    ("lexicon", "caption", "expected"),
    [(TOYLAND, *case) for case in NAMED] + [(ENGLISH, *case) for case in NAMED_IN_ENGLISH],
)
def test_nouns_with_adjectives_and_article(lexicon, caption, expected):
    spans = noun_phrases(caption, lexicon)
    assert [span.of(caption) for span in spans] == expected
    ends = [place for span in spans for place in (span.start, span.end)]
    assert ends == sorted(ends)


def test_every_occurrence_in_whole_words():
    caption = "A cat, cattle, a CAT and a cat-like toy; cats."
    assert list(occurrences(caption, "cat")) == [Span(2, 5), Span(17, 20)]


def test_listed_phrases_have_their_places():
    caption = "A dog chases a red ball; another dog sleeps."
    spans = listed_phrases(caption, "Objects: a red ball, dog, ball, a cat.")
    assert [(span.start, span.of(caption)) for span in spans] == [
        (2, "dog"),
        (13, "a red ball"),
        (33, "dog"),
    ]


def test_list_by_lines_and_dashes():
    caption = "A dog by a tree."
    spans = listed_phrases(caption, '- "a dog"\n- A TREE')
    assert [span.of(caption) for span in spans] == ["A dog", "a tree"]


def test_phrase_across_a_line_break_is_found():
    assert [span.end for span in listed_phrases("a red\nball here", "a red ball")] == [10]


@pytest.mark.parametrize("answer", ["", "I'm sorry, I cannot do that.", "<|im_end|>"])
def test_what_is_no_list(answer):
    assert listed_phrases("A dog.", answer) is None


def test_list_of_nothing_that_is_named():
    assert listed_phrases("A dog.", "a cat, the log") == []


def test_a_sentence_is_no_phrase():
    caption = "a b c d e f g h i j k"
    assert listed_phrases(caption, caption) == []
    assert len(listed_phrases(caption, "a b c d e f g h i j")) == 1
