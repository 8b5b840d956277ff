"""Sub-sentences of captions, by their places."""

import pytest

from imgdiff.text.phrases import occurrences
from imgdiff.text.sub_sentences import sub_sentence
from imgdiff.text.words import Span

HOLDING = [
    ("There is a car, a boat and a tent on the sand.", "boat", "a boat and a tent on the sand"),
    ("A car. A boat! A tent?", "boat", "A boat"),
    ("Seen: a boat; far away", "boat", "a boat"),
    ("A boat", "boat", "A boat"),
    ("  a cat ", "cat", "a cat"),
    ("A mast of 2.5 m, a boat of 1,000 kg at 10:30.", "boat", "a boat of 1,000 kg at 10:30"),
    ("It is 2.5. A boat is there.", "boat", "A boat is there"),
    ("It weighs 2.5 kilos, Dr. Smith says.", "kilos", "It weighs 2.5 kilos"),
    ("It weighs 2.5 kilos, Dr. Smith says.", "Smith", "Dr. Smith says"),
    ("It weighs 2.5 kilos, Dr. Smith says", "Smith", "Dr. Smith says"),
    ("Dr. Lee, e.g. with a boat, waves.", "Lee", "Dr. Lee"),
    ("Dr. Lee, e.g. with a boat, waves.", "boat", "e.g. with a boat"),
    ("A U.S. flag on a boat. Sea.", "boat", "A U.S. flag on a boat"),
    ("A boat at 5 p.m. by the sea.", "boat", "A boat at 5 p.m. by the sea"),
    ("Cats, dogs, etc. on a sofa.", "sofa", "etc. on a sofa"),
    ("Bus no. 5 stops. A man waits.", "Bus", "Bus no. 5 stops"),
    ("Is it a dog? No. A cat sleeps.", "cat", "A cat sleeps"),
    ("A big, red boat... far away", "big, red boat", "A big, red boat"),
    ("It is 3:30 on the U.S. clock, or so.", "clock", "It is 3:30 on the U.S. clock"),
    ("A dog on a sofa.The cat sleeps,alone.", "cat", "The cat sleeps"),
    ('A sign says: "Café, 2 km." A boat.', "Café", '"Café'),
]


@pytest.mark.parametrize(("caption", "phrase", "expected"), HOLDING)
def test_what_holds_a_phrase(caption, phrase, expected):
    start = caption.index(phrase)
    found = sub_sentence(caption, Span(start, start + len(phrase)))
    assert found.of(caption) == expected
    assert caption[found.start : found.end] == expected


@pytest.mark.parametrize(
    ("nth", "expected"),
    [(0, "A cat"), (1, "a catfish and a cat"), (2, "the cat sleeps")],
)
def test_it_holds_the_very_phrase(nth, expected):
    caption = "A cat, a catfish and a cat; the cat sleeps."
    phrase = list(occurrences(caption, "cat"))[nth]
    assert sub_sentence(caption, phrase).of(caption) == expected


@pytest.mark.parametrize(
    ("text", "span", "stripped"),
    [
        ("a cat ", Span(1, 6), Span(2, 5)),
        ("cat", Span(0, 3), Span(0, 3)),
        ("a   b", Span(1, 4), Span(1, 1)),
        ("cat", Span(2, 2), Span(2, 2)),
    ],
)
def test_a_span_without_blanks_at_its_ends(text, span, stripped):
    assert span.stripped(text) == stripped
