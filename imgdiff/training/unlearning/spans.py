"""Which part of a caption a phrase is unlearned or learned with (EFUF, section 3.2), by character
offsets: a phrase that occurs twice, or inside another word, is never taken for another one."""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

PUNCTUATION = re.compile(r"[,.;!?:]")
Unit = Literal["sub_sentence", "phrase"]
Phrase = dict[str, Any]  # text, start, end, score, set


class Span(NamedTuple):
    """Characters [start, end) of a caption."""

    start: int
    end: int


class Part(NamedTuple):
    """Words of a caption that are learned (`positive`) or unlearned (`negative`). score: the
    cosine of the phrase that decided it."""

    span: Span
    set: str
    score: float


def parts(caption: str, phrases: Sequence[Phrase], unit: Unit) -> list[Part]:
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
    for k, phrase in enumerate(ordered):
        span = sub_sentence(caption, phrase["start"], phrase["end"])
        if unit == "phrase":
            before = max((p["end"] for p in ordered[:k]), default=0)
            span = _trimmed(caption, max(span.start, before), phrase["end"])
        found.setdefault(span, []).append(phrase)
    made = []
    for span, inside in found.items():
        low = [phrase["score"] for phrase in inside if phrase["set"] == "negative"]
        high = [phrase["score"] for phrase in inside if phrase["set"] == "positive"]
        if low or high:
            part = ("negative", min(low)) if low else ("positive", max(high))
            made.append(Part(span, *part))
    return made


def sub_sentence(caption: str, start: int, end: int) -> Span:
    """The characters between the punctuation marks around [start, end), without blanks at the
    ends; a mark inside [start, end) parts nothing."""
    marks = [match.start() for match in PUNCTUATION.finditer(caption)]
    first = max((mark + 1 for mark in marks if mark < start), default=0)
    last = min((mark for mark in marks if mark >= end), default=len(caption))
    return _trimmed(caption, first, last)


def _trimmed(caption: str, start: int, end: int) -> Span:
    text = caption[start:end]
    return Span(start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()))
