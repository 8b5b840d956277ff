"""Which words two captions differ in, and where they stand."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

WORD = re.compile(r"[\w'-]+")
# what is compared word by word: the time grows with the square of its words, and faster where they
# repeat
MOST_WORDS = 1000
MOST_PAIRS = 10_000  # of equal words, one in each text: `a a a` and `a a` have six
ARTICLES = ("a", "an", "the")
# words that a noun phrase does not run across
BOUNDARIES = frozenset(
    "a an the and or but with without on in at of to from by near next beside behind under over "
    "above below inside outside between into onto is are was were that which who while as for "
    "there".split()
)

# a phrase that says where things are begins with one of these
PLACES = re.compile(r"\b(on|in|at|by|near|under|inside|outside|along|against|across)\b", re.I)


Block = tuple[str, int, int, int, int]  # difflib's: equal or not, words [from, to) of each text


@dataclass(frozen=True)
class Span:
    """A stretch of a text: characters [start, end), counted as Python counts them. Empty where
    both are equal: a place between two characters."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]

    def stripped(self, text: str) -> "Span":
        """Without the blanks that it begins and ends with in a text."""
        inside = self.of(text)
        end = self.start + len(inside.rstrip())
        return Span(min(self.start + len(inside) - len(inside.lstrip()), end), end)


def changed_spans(caption_a: str, caption_b: str) -> tuple[Span, Span] | None:
    """The stretch of each caption, in whole words, outside of which the two are the same.

    Case, spacing and a leading article are ignored (`a car` -> `an apple` changes `car` into
    `apple`). None if no word differs; one of the spans is empty (start == end) if words were only
    added or removed.
    """
    words_a, words_b = list(WORD.finditer(caption_a)), list(WORD.finditer(caption_b))
    plain_a, plain_b = ([m.group().lower() for m in words] for words in (words_a, words_b))
    changes = _changes(plain_a, plain_b)
    if not changes:
        return None
    first_a, last_a, first_b, last_b = changes[0][1], changes[-1][2], changes[0][3], changes[-1][4]
    while (
        last_a - first_a > 1
        and last_b - first_b > 1
        and plain_a[first_a] in ARTICLES
        and plain_b[first_b] in ARTICLES
    ):
        first_a, first_b = first_a + 1, first_b + 1
    if plain_a[first_a:last_a] == plain_b[first_b:last_b] or (
        set(plain_a[first_a:last_a]) <= set(ARTICLES)
        and set(plain_b[first_b:last_b]) <= set(ARTICLES)
    ):
        return None
    return _span(words_a, first_a, last_a, caption_a), _span(words_b, first_b, last_b, caption_b)


def swapped_spans(caption_a: str, caption_b: str) -> tuple[Span, Span] | None:
    """`changed_spans`, where one stretch of words gave way to another one; None where nothing, or
    more than that, or something else changed."""
    plain_a, plain_b = (
        [m.group().lower() for m in WORD.finditer(caption)] for caption in (caption_a, caption_b)
    )
    spans = changed_spans(caption_a, caption_b)
    if spans is None or len(_changes(plain_a, plain_b)) > 1:
        return None
    return spans if all(span.start < span.end for span in spans) else None


def changed_words(caption_a: str, caption_b: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Every stretch of words that only the first caption has, and every one that only the second
    has, without articles and joining words at their ends."""
    words_a, words_b = list(WORD.finditer(caption_a)), list(WORD.finditer(caption_b))
    plain_a, plain_b = ([m.group().lower() for m in words] for words in (words_a, words_b))
    changes = _changes(plain_a, plain_b)
    return (
        tuple(_stretches(words_a, [(a, b) for _, a, b, _, _ in changes])),
        tuple(_stretches(words_b, [(a, b) for _, _, _, a, b in changes])),
    )


def _stretches(words: list[re.Match[str]], places: list[tuple[int, int]]) -> Iterator[Span]:
    for first, last in places:
        while first < last and words[first].group().lower() in BOUNDARIES:
            first += 1
        while first < last and words[last - 1].group().lower() in BOUNDARIES:
            last -= 1
        if first < last:
            yield Span(words[first].start(), words[last - 1].end())


def _changes(plain_a: list[str], plain_b: list[str]) -> list[Block]:
    """The blocks of words that differ."""
    return [block for block in word_blocks(plain_a, plain_b) if block[0] != "equal"]


def word_blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Both texts, as lists of words, cut into blocks that are equal or differ, by difflib.

    Long texts (`MOST_WORDS`, `MOST_PAIRS`) differ in one block: all between the words that both
    begin with and the words that both end with.
    """
    counts = Counter(new)
    pairs = sum(counts[word] for word in old)
    if max(len(old), len(new)) <= MOST_WORDS and pairs <= MOST_PAIRS:
        return [*difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()]
    head = _equal_words(old, new)
    tail = _equal_words(old[head:][::-1], new[head:][::-1])
    ends = len(old) - tail, len(new) - tail
    blocks = [
        ("equal", 0, head, 0, head),
        ("replace", head, ends[0], head, ends[1]),
        ("equal", ends[0], len(old), ends[1], len(new)),
    ]
    return [block for block in blocks if block[1] < block[2] or block[3] < block[4]]


def _equal_words(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words both begin with."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def changed_phrases(caption_a: str, caption_b: str) -> tuple[str, str] | None:
    """What the changed words name: each span without joining words at its ends, run on to the end
    of its noun phrase.

    `a red car on grass` -> `a blue car on grass` gives (`red car`, `blue car`), `a car on grass` ->
    `a car and a red boat on grass` gives (``, `red boat`). None if nothing changed.
    """
    spans = changed_spans(caption_a, caption_b)
    if spans is None:
        return None
    return _phrase(caption_a, spans[0]), _phrase(caption_b, spans[1])


def place_of(caption: str) -> str:
    """Where a caption says that it all is: its last phrase of place, `on the sand`; empty if it
    has none."""
    starts = [word.start() for word in PLACES.finditer(caption)]
    return caption[starts[-1] :].rstrip(" .") if starts else ""


def _span(words: list[re.Match[str]], first: int, last: int, text: str) -> Span:
    if first < last:
        return Span(words[first].start(), words[last - 1].end())
    place = words[first].start() if first < len(words) else len(text)
    return Span(place, place)


def _phrase(caption: str, span: Span) -> str:
    words = list(WORD.finditer(caption, span.start, span.end))
    named = next(_stretches(words, [(0, len(words))]), None)
    if named is None:
        return "" if words else _to_phrase_end(caption, span)
    return _to_phrase_end(caption, named) if named.end == span.end else named.of(caption)


def _to_phrase_end(caption: str, span: Span) -> str:
    end = span.end
    for word in WORD.finditer(caption, span.end):
        joined_by = caption[end : word.start()]
        if joined_by.strip() or word.group().lower() in BOUNDARIES:
            break
        end = word.end()
    return caption[span.start : end]
