"""Object phrases of a caption, and the sub-sentences that hold them; all places are characters of
the caption."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache

from imgdiff.text.answers import is_refusal
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import first_word, mentions
from imgdiff.text.words import Span

MARK = re.compile(r"[,.;!?:]")  # between two of these stands a sub-sentence (EFUF, section 3.2)
LAST_WORD = re.compile(r"[\w.]+$")
TITLES = frozenset("mr mrs ms dr st vs no approx etc".split())  # end with a full stop of their own
MOST_WORDS = 10  # of a phrase; what is longer is a sentence (EFUF's code)
MOST_PHRASES = 200  # of an answer; a longer one is no list of what a caption names
LONGEST_WORD = 40  # characters before a mark that are looked at


def noun_phrases(caption: str, lexicon: Lexicon) -> list[Span]:
    """The things of the lexicon that a caption names, with their adjectives and their article: `a
    red boat`. In order; none overlaps another."""
    found: list[Span] = []
    for mention in mentions(caption, lexicon):
        start = first_word(caption, mention.phrase.start)
        if not found or start >= found[-1].end:
            found.append(Span(start, mention.phrase.end))
    return found


def listed_phrases(caption: str, answer: str) -> list[Span] | None:
    """Where the phrases that a language model listed, by commas or lines, stand in the caption.

    A phrase that is no literal part of the caption, in whole words and any case, is left out; one
    that stands in it twice has two places; of two that overlap the longer one counts. None where
    the answer is no list, or has more than `MOST_PHRASES` parts.
    """
    if is_refusal(answer):
        return None
    listed = answer.rpartition(":")[2]  # "Objects: a cat, a dog"
    phrases = {part.strip(" .-*\"'").lower() for part in re.split(r"[,\n]", listed)}
    if len(phrases) > MOST_PHRASES:
        return None
    spans: list[Span] = []
    taken = bytearray(len(caption))  # 1 for every character of a span
    for phrase in sorted(filter(None, phrases), key=lambda words: (-len(words), words)):
        if len(phrase.split()) <= MOST_WORDS:
            for span in occurrences(caption, phrase):
                if not any(taken[span.start : span.end]):
                    taken[span.start : span.end] = b"\1" * (span.end - span.start)
                    spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def occurrences(caption: str, phrase: str) -> Iterator[Span]:
    """Every place where a phrase stands in whole words, in any case: `cat` is not in `cattle`."""
    words = r"\s+".join(map(re.escape, phrase.split()))
    for match in re.finditer(rf"(?<![\w-]){words}(?![\w-])", caption, re.IGNORECASE):
        yield Span(match.start(), match.end())


def subsentence(caption: str, phrase: Span) -> Span:
    """The stretch between two of the marks , . ; ! ? : that holds a phrase (EFUF, section 3.2),
    without the marks and without blanks at its ends.

    Marks inside numbers (2.5) and of abbreviations (e.g., Dr.) divide nothing.
    """
    marks = _dividing_marks(caption)
    first, last = bisect_left(marks, phrase.start), bisect_left(marks, phrase.end)
    start = marks[first - 1] + 1 if first else 0
    end = marks[last] if last < len(marks) else len(caption)
    inside = caption[start:end]
    return Span(start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip()))


@lru_cache(maxsize=8)  # its phrases are looked up one after another
def _dividing_marks(caption: str) -> list[int]:
    """Places of the marks, in order."""
    places = (mark.start() for mark in MARK.finditer(caption))
    return [place for place in places if _divides(caption, place)]


def _divides(caption: str, place: int) -> bool:
    before, after = caption[max(0, place - LONGEST_WORD) : place], caption[place + 1 : place + 2]
    if before[-1:].isalnum() and after.isalnum():
        return False
    word = LAST_WORD.search(before) if caption[place] == "." else None
    if word is None:
        return True
    abbreviated = "." in word.group() and word.group()[-1].isalpha()
    return not abbreviated and word.group().lower() not in TITLES


def as_records(caption: str, spans: Iterable[Span]) -> list[dict[str, object]]:
    """Phrases as a row's field `phrases` holds them, without a score and in no set yet."""
    return [
        {"text": span.of(caption), "start": span.start, "end": span.end, "score": None, "set": ""}
        for span in spans
    ]
