"""Which part of a caption a phrase is unlearned or learned with (EFUF, section 3.2), by character
offsets: a phrase that occurs twice, or inside another word, is never taken for another one."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
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
    before = 0  # where the phrases so far end
    for phrase in ordered:
        span = sub_sentence(caption, phrase["start"], phrase["end"])
        if unit == "phrase":
            span = _trimmed(caption, max(span.start, before), phrase["end"])
        before = max(before, phrase["end"])
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
    marks = _marks(caption)
    before, behind = bisect_left(marks, start), bisect_left(marks, end)
    first = marks[before - 1] + 1 if before else 0
    last = marks[behind] if behind < len(marks) else len(caption)
    return _trimmed(caption, first, last)


@lru_cache(maxsize=8)  # its phrases are looked up one after another
def _marks(caption: str) -> list[int]:
    """Places of the punctuation marks, in order."""
    return [match.start() for match in PUNCTUATION.finditer(caption)]


@lru_cache(maxsize=8)
def _trimmed(caption: str, start: int, end: int) -> Span:
    text = caption[start:end]
    return Span(start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()))
