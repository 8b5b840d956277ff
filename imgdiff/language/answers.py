"""The caption in a language model's answer, if the answer is one."""

import re

from imgdiff.answers import is_refusal
from imgdiff.editing.words import WORD, changed_phrases, changed_spans, swapped_spans
from imgdiff.language.caption_edits import CaptionEdit
from imgdiff.language.grammar import ONE
from imgdiff.language.lexicon import Lexicon

MOST_WORDS = 4  # of an object's name
MOST_ADDED = 8  # words put in for an object: in front of a small brown dog
LABEL = re.compile(r"^(new |edited )?caption\s*:", re.IGNORECASE)


def read_answer(kind: str, caption: str, answer: str, lexicon: Lexicon) -> CaptionEdit | None:
    """The caption in a language model's answer, and which words differ.

    None where the answer is anything but one line with one edit of the kind: chatter ("Sure, here
    is"), refusals, several captions, the old one, orders followed.
    """
    if is_refusal(answer):
        return None
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(lines) != 1:
        return None
    edited = LABEL.sub("", lines[0]).strip().strip('"\u201c\u201d').strip()
    if kind == "attribute":
        return _attribute(caption, edited, lexicon)
    return _addition(caption, edited) if kind == "add" else _replacement(caption, edited)


def _replacement(caption: str, edited: str) -> CaptionEdit | None:
    """One stretch of at most MOST_WORDS words in the place of another one."""
    spans = swapped_spans(caption, edited)
    if spans is None:
        return None
    source, target = spans[0].of(caption), spans[1].of(edited)
    if max(len(source.split()), len(target.split())) > MOST_WORDS:
        return None
    return CaptionEdit(edited, source.lower(), target.lower())


def _attribute(caption: str, edited: str, lexicon: Lexicon) -> CaptionEdit | None:
    """An attribute of the lexicon in the place of another one, or put in, before a noun."""
    spans, phrases = changed_spans(caption, edited), changed_phrases(caption, edited)
    if spans is None or phrases is None:
        return None
    old, new = spans[0].of(caption).lower(), spans[1].of(edited).lower()
    if new not in lexicon.attribute_words or (old and old not in lexicon.attribute_words):
        return None
    source, target = (phrase.lower() for phrase in phrases)
    noun = target.removeprefix(new)
    return CaptionEdit(edited, source, target) if noun and source == (old + noun).strip() else None


def _addition(caption: str, edited: str) -> CaptionEdit | None:
    """A few words put in at one place, one article among them, behind a phrase."""
    spans, phrases = changed_spans(caption, edited), changed_phrases(caption, edited)
    if spans is None or phrases is None or spans[0].start < spans[0].end or phrases[0]:
        return None
    added = [word.group().lower() for word in WORD.finditer(spans[1].of(edited))]
    articles = sum(word in ONE for word in added)
    if not phrases[1] or len(added) > MOST_ADDED or articles != 1:
        return None
    return CaptionEdit(edited, "", phrases[1].lower())
