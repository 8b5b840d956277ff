"""Sub-sentences and phrases of captions, by their offsets."""

import pytest

from imgdiff.training.unlearning.spans import parts, sub_sentence

CAPTION = "A cat, a catfish and a cat; the cat sleeps."


def phrase(text, nth=0, score=0.5, which=""):
    start = -1
    for _ in range(nth + 1):
        start = CAPTION.index(text, start + 1)
    return {"text": text, "start": start, "end": start + len(text), "score": score, "set": which}


def said(found):
    return [(CAPTION[slice(*part.span)], part.set, part.score) for part in found]


@pytest.mark.parametrize(
    ("nth", "wanted"),
    [(0, "A cat"), (1, "a catfish and a cat"), (2, "a catfish and a cat"), (3, "the cat sleeps")],
)
def test_a_sub_sentence_holds_the_very_phrase(nth, wanted):
    one = phrase("cat", nth)
    assert CAPTION[slice(*sub_sentence(CAPTION, one["start"], one["end"]))] == wanted


def test_marks_inside_a_phrase_part_nothing():
    caption = "It is 3:30 on the U.S. clock, or so."
    start = caption.index("U.S.")
    assert caption[slice(*sub_sentence(caption, start, start + 10))] == "30 on the U.S. clock"


def test_without_marks_it_is_the_whole_caption():
    assert sub_sentence("a cat ", 2, 5) == (0, 5)


def test_parts_are_of_phrases_in_a_set():
    phrases = [phrase("cat", 3, 0.9, "positive"), phrase("cat", 0, 0.1, "negative")]
    phrases += [phrase("catfish")]
    assert said(parts(CAPTION, phrases, "sub_sentence")) == [
        ("A cat", "negative", 0.1),
        ("the cat sleeps", "positive", 0.9),
    ]


def test_what_is_made_up_is_not_learned_with_what_is_beside_it():
    phrases = [phrase("catfish", 0, 0.9, "positive"), phrase("cat", 2, 0.1, "negative")]
    assert said(parts(CAPTION, phrases, "sub_sentence")) == [
        ("a catfish and a cat", "negative", 0.1)
    ]


def test_phrases_come_with_the_words_that_lead_to_them():
    phrases = [phrase("a catfish", 0, 0.9, "positive"), phrase("cat", 2, 0.1, "negative")]
    assert said(parts(CAPTION, phrases, "phrase")) == [
        ("a catfish", "positive", 0.9),
        ("and a cat", "negative", 0.1),
    ]
