"""Object phrases of a caption; all places are characters of the caption."""

import re
from collections.abc import Iterable, Iterator

from imgdiff.text.answers import is_refusal
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import first_word, mentions
from imgdiff.text.words import Span

MOST_WORDS = 10  # of a phrase; what is longer is a sentence (EFUF's code)
MOST_PHRASES = 200  # of an answer; a longer one is no list of what a caption names


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


def as_records(caption: str, spans: Iterable[Span]) -> list[dict[str, object]]:
    """Phrases as a row's field `phrases` holds them, without a score and in no set yet."""
    return [
        {"text": span.of(caption), "start": span.start, "end": span.end, "score": None, "set": ""}
        for span in spans
    ]
