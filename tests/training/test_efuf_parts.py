"""The parts of captions that are learned and unlearned."""

from imgdiff.training.efuf.parts import caption_parts

CAPTION = "A cat, a catfish and a cat; the cat sleeps."


def phrase(text, nth=0, score=0.5, which=""):
    start = -1
    for _ in range(nth + 1):
        start = CAPTION.index(text, start + 1)
    return {"text": text, "start": start, "end": start + len(text), "score": score, "set": which}


def said(found):
    return [(part.span.of(CAPTION), part.set, part.score) for part in found]


def test_parts_are_of_phrases_in_a_set():
    phrases = [phrase("cat", 3, 0.9, "positive"), phrase("cat", 0, 0.1, "negative")]
    phrases += [phrase("catfish")]
    assert said(caption_parts(CAPTION, phrases, "sub_sentence")) == [
        ("A cat", "negative", 0.1),
        ("the cat sleeps", "positive", 0.9),
    ]


def test_what_is_made_up_is_not_learned_with_what_is_beside_it():
    phrases = [phrase("catfish", 0, 0.9, "positive"), phrase("cat", 2, 0.1, "negative")]
    assert said(caption_parts(CAPTION, phrases, "sub_sentence")) == [
        ("a catfish and a cat", "negative", 0.1)
    ]


def test_phrases_come_with_the_words_that_lead_to_them():
    phrases = [phrase("a catfish", 0, 0.9, "positive"), phrase("cat", 2, 0.1, "negative")]
    assert said(caption_parts(CAPTION, phrases, "phrase")) == [
        ("a catfish", "positive", 0.9),
        ("and a cat", "negative", 0.1),
    ]
