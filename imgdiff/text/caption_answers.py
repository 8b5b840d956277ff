"""The caption in a language model's answer, if the answer is one that was asked for."""

import re

from imgdiff.text.answers import is_refusal
from imgdiff.text.caption_edits import CaptionEdit
from imgdiff.text.grammar import ONE
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.negatives import INSERTED, Negative, NegativeTask
from imgdiff.text.objects import Shown, named_objects, names
from imgdiff.text.words import WORD, changed_phrases, changed_spans, swapped_spans, word_blocks

MOST_WORDS = 4  # of an object's name
MOST_ADDED = 8  # words put in for an object: in front of a small brown dog
LABEL = re.compile(r"^(new |edited )?caption\s*:", re.IGNORECASE)


def read_answer(kind: str, caption: str, answer: str, lexicon: Lexicon) -> CaptionEdit | None:
    """The caption in a language model's answer, and which words differ.

    None where the answer is anything but one line with one edit of the kind: chatter ("Sure, here
    is"), refusals, several captions, the old one, orders followed.
    """
    edited = _one_line(answer)
    if edited is None:
        return None
    if kind == "attribute":
        return _attribute(caption, edited, lexicon)
    return _addition(caption, edited) if kind == "add" else _replacement(caption, edited)


def read_negative(
    caption: str, task: NegativeTask, shown: Shown, answer: str, lexicon: Lexicon
) -> Negative | None:
    """The negative in a language model's answer.

    None where the answer is no caption, or not the one that was asked for: an object to be put in
    is not named, or something else is lost or new; one to be taken out is still named; nothing is
    altered, or too much.
    """
    edited = _one_line(answer)
    if edited is None or (":" in edited and ":" not in caption):
        return None
    before, after = (set(named_objects(text, lexicon)) for text in (caption, edited))
    words = [[m.group().lower() for m in WORD.finditer(text)] for text in (caption, edited)]
    new = after - before - set(task.objects)
    if task.family in INSERTED:
        named = all(names(edited, name, lexicon) for name in task.objects)
        kept, most = named and before <= after and not new, MOST_ADDED * len(task.objects)
    elif task.family == "remove":
        still = any(names(edited, name, lexicon) for name in task.objects)
        kept, most = not still and not new, 0
    else:
        kept, most = words[0] != words[1] and all(map(shown.lacks, new)), MOST_WORDS
    blocks = word_blocks(*words)
    added = sum(end - start for tag, _, _, start, end in blocks if tag != "equal")
    if not kept or added > most + MOST_WORDS:
        return None
    return Negative(edited, task.family, task.objects)


def _one_line(answer: str) -> str | None:
    """The only line of an answer, without a label and quotes; None if it is no such line."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if is_refusal(answer) or len(lines) != 1:
        return None
    return LABEL.sub("", lines[0]).strip().strip('"\u201c\u201d').strip()


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
