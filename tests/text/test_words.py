"""Which words two captions differ in."""

from difflib import SequenceMatcher

import pytest

from imgdiff.text.words import (
    Span,
    changed_phrases,
    changed_spans,
    changed_words,
    place_of,
    swapped_spans,
    word_blocks,
)


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "words_a", "words_b"),
    [
        ("a car on sand", "a boat on sand", "car", "boat"),
        ("a car on sand", "an apple on sand", "car", "apple"),
        ("The car", "The boat", "car", "boat"),
        ("a  car   on sand", "a boat on sand", "car", "boat"),
        ("a car, on sand.", "a boat on sand", "car", "boat"),
        ("A CAR on sand", "a boat on sand", "CAR", "boat"),
        ("a red car", "a blue car", "red", "blue"),
        ("a car and a car", "a car and a boat", "car", "boat"),
        ("a car and a car", "a boat and a car", "car", "boat"),
        ("a red car and a mug", "a red car and a ball", "mug", "ball"),
        ("a lighthouse", "a fire station", "lighthouse", "fire station"),
        ("an orange car", "a red car", "orange", "red"),
        ("an old man's hat", "a well-known hat", "old man's", "well-known"),
        ("a red car on sand", "a blue boat on sand", "red car", "blue boat"),
        ("a red car on sand", "a red boat on grass", "car on sand", "boat on grass"),
    ],
)
def test_changed_spans(caption_a, caption_b, words_a, words_b):
    span_a, span_b = changed_spans(caption_a, caption_b)
    assert (span_a.of(caption_a), span_b.of(caption_b)) == (words_a, words_b)


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "place_a", "words_b"),
    [
        ("a car on sand", "a red car on sand", 2, "red"),
        ("a car", "a car and a boat", 5, "and a boat"),
        ("", "a boat", 0, "a boat"),
    ],
)
def test_words_that_were_only_added_leave_an_empty_span(caption_a, caption_b, place_a, words_b):
    span_a, span_b = changed_spans(caption_a, caption_b)
    assert span_a == Span(place_a, place_a)
    assert span_b.of(caption_b) == words_b
    assert changed_spans(caption_b, caption_a) == (span_b, span_a)


@pytest.mark.parametrize(
    ("caption_a", "caption_b"),
    [
        ("a car", "a car"),
        ("a car", "A  Car."),
        ("a car, on sand", "a car on sand!"),
        ("a car", "the car"),
        ("a car", "car"),
        ("", ""),
    ],
)
def test_same_words(caption_a, caption_b):
    assert changed_spans(caption_a, caption_b) is None
    assert changed_phrases(caption_a, caption_b) is None


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "phrase_a", "phrase_b"),
    [
        ("a red car on sand", "a blue car on sand", "red car", "blue car"),
        ("a red car on sand", "a red boat on sand", "car", "boat"),
        ("a car, a mug", "a boat, a mug", "car", "boat"),
        ("a red car next to a mug", "a blue car next to a mug", "red car", "blue car"),
        ("a red car", "a blue car", "red car", "blue car"),
        ("a red car. It is old", "a blue car. It is old", "red car", "blue car"),
        ("a car on sand", "a red car on sand", "car", "red car"),
        ("a big red car", "a small red car", "big red car", "small red car"),
        ("a car on sand", "a car and a red boat on sand", "", "red boat"),
        ("a car, on sand", "a car next to a red boat, on sand", "", "red boat"),
        ("a red car", "a boat and a red car", "", "boat"),
        ("a car with a boat", "a car", "boat", ""),
        ("a car on sand", "a car in sand", "", ""),
    ],
)
def test_phrases_run_to_the_end_of_the_noun_phrase(caption_a, caption_b, phrase_a, phrase_b):
    assert changed_phrases(caption_a, caption_b) == (phrase_a, phrase_b)


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "swapped"),
    [
        ("a red car", "a red boat", True),
        ("a red car on sand", "a blue boat on sand", True),
        ("an orange car", "a red car", True),
        ("a lighthouse", "a fire station", True),
        ("a red car on sand", "a red boat on grass", False),  # in two places
        ("a car", "a red car", False),
        ("a red car", "a car", False),
        ("a car and a boat", "a car", False),
        ("a car", "A car.", False),
    ],
)
def test_one_stretch_of_words_for_another(caption_a, caption_b, swapped):
    expected = changed_spans(caption_a, caption_b) if swapped else None
    assert swapped_spans(caption_a, caption_b) == expected


@pytest.mark.parametrize(
    ("caption_a", "caption_b", "words_a", "words_b"),
    [
        ("a red car", "a red boat", ["car"], ["boat"]),
        ("a red car on sand", "a red boat on snow", ["car", "sand"], ["boat", "snow"]),
        ("a car", "a car and a big boat", [], ["big boat"]),
        ("a car with a boat", "a car", ["boat"], []),
        ("an orange car", "the red car", ["orange"], ["red"]),
        ("a car", "The car", [], []),
    ],
)
def test_every_stretch_of_changed_words(caption_a, caption_b, words_a, words_b):
    found_a, found_b = changed_words(caption_a, caption_b)
    assert [span.of(caption_a) for span in found_a] == words_a
    assert [span.of(caption_b) for span in found_b] == words_b


@pytest.mark.parametrize(
    ("caption", "place"),
    [
        ("a red car and a blue mug on the sand", "on the sand"),
        ("a duck beside a mug, on the snow.", "on the snow"),
        ("A brown dog is lying on a sofa in the living room", "in the living room"),
        ("A woman holds an umbrella in front of a cafe", "in front of a cafe"),
        ("a yellow onion", ""),
        ("", ""),
    ],
)
def test_place_of_a_caption(caption, place):
    assert place_of(caption) == place


def test_short_texts_are_compared_as_difflib_does():
    old, new = "a red car on the grass".split(), "the red car and a boat on grass".split()
    wanted = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    assert word_blocks(old, new) == wanted


@pytest.mark.timeout(30)  # word by word it would take hours
@pytest.mark.parametrize("word", ["a", "w{}"], ids=["one word", "other words"])
def test_long_texts_differ_in_one_block(word):
    words = [word.format(k) for k in range(20_000)]
    old, new = [*words, "red", "x", "car", *words], [*words, "blue", "x", *words]
    middle = ("replace", 20_000, 20_003, 20_000, 20_002)
    start, end = ("equal", 0, 20_000, 0, 20_000), ("equal", 20_003, 40_003, 20_002, 40_002)
    assert word_blocks(old, new) == [start, middle, end]
    assert word_blocks(old, old) == [("equal", 0, 40_003, 0, 40_003)]
    spans = changed_spans(" ".join(old), " ".join(new))
    assert spans[0].of(" ".join(old)) == "red x car"
