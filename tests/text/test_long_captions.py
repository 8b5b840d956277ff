"""What is read in a caption takes time by its length, not by the square of it."""

import pytest

from imgdiff.text.agreement import agreement, exchanged
from imgdiff.text.caption_answers import read_answer, read_negative
from imgdiff.text.coverage import measure_coverage
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.mentions import mentions
from imgdiff.text.negatives import NegativeTask
from imgdiff.text.objects import Shown
from imgdiff.text.phrases import as_records, listed_phrases, noun_phrases
from imgdiff.text.sub_sentences import sub_sentence
from imgdiff.training.efuf.parts import caption_parts

LEXICON = load_lexicon("english")
COUNT = 10_000
CATS = "A red cat and a dog on a sofa. " * COUNT
WATCHES = "a man watches " * COUNT  # which is a verb each time

pytestmark = pytest.mark.timeout(60)


def test_mentions():
    assert len(mentions(CATS, LEXICON)) == 3 * COUNT
    assert len(mentions(WATCHES, LEXICON)) == COUNT


def test_phrases_and_their_sub_sentences():
    spans = noun_phrases(CATS, LEXICON)
    assert [span.of(CATS) for span in spans[-3:]] == ["A red cat", "a dog", "a sofa"]
    assert {sub_sentence(CATS, span).of(CATS) for span in spans} == {CATS[:29]}
    sorted_ones = [phrase | {"set": "positive"} for phrase in as_records(CATS, spans)]
    scored = [phrase | {"score": 0.4} for phrase in sorted_ones]
    assert len(caption_parts(CATS, scored, "sub_sentence")) == COUNT
    assert len(caption_parts(CATS, scored, "phrase")) == 3 * COUNT


def test_phrases_that_a_model_lists():
    assert len(listed_phrases(CATS, "a dog, red cat, cat, a")) == 4 * COUNT
    assert listed_phrases("a dog", ", ".join(f"a dog {k}" for k in range(COUNT))) is None


def test_what_two_captions_exchange():
    things, others = exchanged(CATS, CATS.replace("red", "blue"), LEXICON)
    assert agreement(things, CATS, LEXICON) == 1
    assert agreement(others, CATS, LEXICON) == 0.5


def test_what_the_lexicon_knows():
    assert measure_coverage([CATS], LEXICON).holding["an attribute to change"] == 1


def test_answers_of_a_language_model():
    for kind in ("replace", "attribute", "add"):
        assert read_answer(kind, "a cat on a sofa", CATS, LEXICON) is None
        assert read_answer(kind, CATS, WATCHES, LEXICON) is None
    shown = Shown("a cat", ["cat"], LEXICON)
    assert read_negative("a cat", NegativeTask("random", ("dog",)), shown, CATS, LEXICON) is None
