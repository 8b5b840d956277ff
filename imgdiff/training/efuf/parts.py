"""Which part of a caption a phrase is unlearned or learned with (EFUF, section 3.2), by character
offsets: a phrase that occurs twice, or inside another word, is never taken for another one."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from imgdiff.text.sub_sentences import sub_sentence
from imgdiff.text.words import Span

Unit = Literal["sub_sentence", "phrase"]
Phrase = dict[str, Any]  # text, start, end, score, set


class CaptionPart(NamedTuple):
    """Words of a caption that are learned (`positive`) or unlearned (`negative`). score: the
    cosine of the phrase that decided it."""

    span: Span
    set: str
    score: float


def caption_parts(caption: str, phrases: Sequence[Phrase], unit: Unit) -> list[CaptionPart]:
    """The parts of D+ and D-, in order, each once.

    A part with several phrases is negative if one of them is, for what is made up must not be
    learned with what is beside it; its score is the lowest of its negative phrases, or else the
    highest of its positive ones.

    Args:
        phrases: as `phrase_relevance_filter` writes them; those in no set make no part.
        unit: sub_sentence: what stands between two punctuation marks (the paper). phrase: the
            phrase and the words that lead to it from the phrase before, in its sub-sentence.
    """
    ordered = sorted(phrases, key=lambda phrase: phrase["start"])
    found: dict[Span, list[Phrase]] = {}
    before = 0  # where the phrases so far end
    for phrase in ordered:
        span = sub_sentence(caption, Span(phrase["start"], phrase["end"]))
        if unit == "phrase":
            span = Span(max(span.start, before), phrase["end"]).stripped(caption)
        before = max(before, phrase["end"])
        found.setdefault(span, []).append(phrase)
    made = []
    for span, inside in found.items():
        low = [phrase["score"] for phrase in inside if phrase["set"] == "negative"]
        high = [phrase["score"] for phrase in inside if phrase["set"] == "positive"]
        if low or high:
            part = ("negative", min(low)) if low else ("positive", max(high))
            made.append(CaptionPart(span, *part))
    return made
