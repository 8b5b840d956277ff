"""The sub-sentence of a caption that holds a phrase (EFUF, section 3.2)."""

import re
from bisect import bisect_left
from functools import lru_cache

from imgdiff.text.words import Span

MARK = re.compile(r"[,.;!?:]")
LAST_WORD = re.compile(r"[\w.]+$")
ABBREVIATED = frozenset("mr mrs ms dr prof st vs approx etc".split())  # end with a full stop
LONGEST_WORD = 40  # characters before a mark that are looked at


def sub_sentence(caption: str, phrase: Span) -> Span:
    """The stretch between two of the marks , . ; ! ? : that holds a phrase, without the marks and
    without blanks at its ends.

    A mark inside the phrase divides nothing, nor does one of a number (2.5, 10:30, no. 5) or of an
    abbreviation (e.g., U.S., Dr.). So a sentence that ends with an abbreviation runs on into the
    next one.
    """
    marks = _dividing_marks(caption)
    first, last = bisect_left(marks, phrase.start), bisect_left(marks, phrase.end)
    start = marks[first - 1] + 1 if first else 0
    end = marks[last] if last < len(marks) else len(caption)
    return Span(start, end).stripped(caption)


@lru_cache(maxsize=8)  # the phrases of a caption are looked up one after another
def _dividing_marks(caption: str) -> list[int]:
    """Places of the marks, in order."""
    places = (mark.start() for mark in MARK.finditer(caption))
    return [place for place in places if _divides(caption, place)]


def _divides(caption: str, place: int) -> bool:
    before, after = caption[max(0, place - LONGEST_WORD) : place], caption[place + 1 : place + 3]
    if before[-1:].isdigit() and after[:1].isdigit():
        return False
    if caption[place] != ".":
        return True
    if before[-1:].isalpha() and after[:1].isalpha():
        return before[-1].islower() and after[0].isupper()  # `on a sofa.The dog`
    word = LAST_WORD.search(before)
    if word is None:
        return True
    spoken = word.group().lower()
    dotted = "." in spoken and spoken[-1].isalpha()
    number = spoken == "no" and after[1:].isdigit()
    return not (dotted or number or spoken in ABBREVIATED)
