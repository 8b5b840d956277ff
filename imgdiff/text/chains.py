"""Things put into a caption and taken out of it, so that it stays a sentence.

A caption is seen as chains of noun phrases, held together by `and`, commas and words of place: `a
cat and a dog on a sofa` is one chain of three. There is no parser: what does not look like a chain
is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgdiff.text.caption_edits import BEFORE_PLACES
from imgdiff.text.grammar import DETERMINERS, article
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import Mention, first_word, mentions, words_before

if TYPE_CHECKING:
    import numpy as np

LISTING = frozenset([",", "and", ", and"])
PLACING = frozenset(
    "next to|beside|near|with|on|in|at|by|under|over|above|below|behind|inside|in front of|"
    "on top of".split("|")
)
# before a phrase that may be taken away with the words of place behind it
BEFORE_CHAINS = frozenset("of is are with shows".split()) | {""}
ENDING = frozenset(words.split()[0] for words in PLACING) | {""}  # behind a chain: no verb of it


@dataclass(frozen=True)
class NounPhrase:
    """Characters [start, end) of a caption, article included, and the thing they name.

    before: the word before it, lower case, empty where a clause begins.
    """

    start: int
    end: int
    mention: Mention
    before: str


@dataclass(frozen=True)
class Chain:
    """Phrases that follow each other, and what stands before each but the first, as it is
    written."""

    phrases: tuple[NounPhrase, ...]
    joints: tuple[str, ...]


def chains(caption: str, lexicon: Lexicon) -> list[Chain]:
    """The caption's noun phrases in order, each in one chain."""
    found: list[Chain] = []
    for mention in mentions(caption, lexicon):
        phrase = _phrase(caption, mention)
        last = found[-1] if found else None
        joint = caption[last.phrases[-1].end : phrase.start] if last else ""
        if last and (_joint(joint) in LISTING or _joint(joint).removeprefix(", ") in PLACING):
            found[-1] = Chain((*last.phrases, phrase), (*last.joints, joint))
        else:
            found.append(Chain((phrase,), ()))
    return found


def named(name: str, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """An object as a caption names it; where the lexicon has things added with a look, with one of
    that kind: `a red boat`."""
    looks = lexicon.added_looks
    return as_noun_phrase(f"{rng.choice(looks)} {name}" if looks else name, lexicon)


def as_noun_phrase(phrase: str, lexicon: Lexicon) -> str:
    """`a dog`, `an apple`; but `bread` and `scissors`. A word that the lexicon lacks is a plural if
    it looks like one."""
    words = tuple(phrase.split())
    nouns = (lexicon.nouns.get(words[k:]) for k in range(len(words)))
    noun = next(filter(None, nouns), None)
    plural = words[-1].endswith("s") and not words[-1].endswith(("ss", "us"))
    bare = noun.number != "singular" if noun else plural
    return phrase if bare else f"{article(phrase)} {phrase}"


def enumerated(phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))


def put_in(caption: str, objects: Sequence[str], lexicon: Lexicon, rng: np.random.Generator) -> str:
    """The caption with objects that it does not have: among those of a list, in any order, where
    the lexicon joins things by `and`; else behind a thing that something may stand next to.

    A caption without such a place gets them at its end.
    """
    new = [named(name, lexicon, rng) for name in objects]
    places = [
        (chain, k)
        for chain in chains(caption, lexicon)
        for k, phrase in enumerate(chain.phrases)
        if phrase.mention.next in BEFORE_PLACES or not phrase.mention.next
        if k == len(chain.joints) or _joint(chain.joints[k]) not in LISTING
    ]
    if not places:
        body = caption.rstrip(" .!")
        return f"{body} with {enumerated(new)}{caption[len(body) :]}"
    chain, last = places[int(rng.integers(len(places)))]
    end = chain.phrases[last].end
    if lexicon.joined_by != "and":
        return f"{caption[:end]} {lexicon.joined_by} {enumerated(new)}{caption[end:]}"
    first = last
    while first and _joint(chain.joints[first - 1]) in LISTING:
        first -= 1
    start = chain.phrases[first].start
    listed = [_small(caption[p.start : p.end]) for p in chain.phrases[first : last + 1]]
    for phrase in new:
        listed.insert(int(rng.integers(len(listed) + 1)), phrase)
    return _with_capital(caption, caption[:start] + enumerated(listed) + caption[end:])


def take_out(caption: str, objects: Collection[str], lexicon: Lexicon) -> str | None:
    """The caption without the objects (first names of the lexicon); None if one of them is not
    named, or where what is left would be no sentence."""
    found, whole = chains(caption, lexicon), caption
    gone = [p for chain in found for p in chain.phrases if p.mention.noun.thing[0] in objects]
    if {phrase.mention.noun.thing[0] for phrase in gone} != set(objects):
        return None
    for chain in reversed(found):
        if all(phrase not in gone for phrase in chain.phrases):
            continue
        left = _left_over(caption, chain, gone)
        if left is None:
            return None
        caption = caption[: chain.phrases[0].start] + left + caption[chain.phrases[-1].end :]
    return _with_capital(whole, caption)


def _left_over(caption: str, chain: Chain, gone: Collection[NounPhrase]) -> str | None:
    """A chain without some of its phrases."""
    kept = [k for k, phrase in enumerate(chain.phrases) if phrase not in gone]
    if not kept or (kept[0] and chain.phrases[0].before not in BEFORE_CHAINS):
        return None
    placed = [k for k, joint in enumerate(chain.joints, 1) if _joint(joint) not in LISTING]
    subject = range(min(placed, default=len(chain.phrases)))
    if chain.phrases[-1].mention.next not in ENDING and not set(subject) <= set(kept):
        return None  # what the verb behind it speaks of
    if chain.phrases[0].before == "of" and kept[0] not in subject:
        return None  # a bowl of a table
    joints = ["", *chain.joints]
    for k, phrase in enumerate(chain.phrases[:-1]):
        if phrase in gone and _joint(joints[k + 1]) in LISTING:
            joints[k + 1] = joints[k]  # `a next to b and c` without b: `a next to c`
    parts: list[list[str]] = []  # lists, each of its phrases
    between: list[str] = []
    for k in kept:
        text = _small(caption[chain.phrases[k].start : chain.phrases[k].end])
        if parts and _joint(joints[k]) in LISTING:
            parts[-1].append(text)
        else:
            between += [joints[k]] if parts else []
            parts.append([text])
    words = enumerated(parts[0])
    for joint, part in zip(between, parts[1:], strict=True):
        words += joint + enumerated(part)
    return words


def _phrase(caption: str, mention: Mention) -> NounPhrase:
    start = first_word(caption, mention.phrase.start)
    words = words_before(caption, start)
    near = words and not caption[words[-1].end() : start].strip()
    return NounPhrase(start, mention.span.end, mention, words[-1].group().lower() if near else "")


def _joint(written: str) -> str:
    """`, ` -> `,`; ` next to ` -> `next to`."""
    return " ".join(written.lower().split())


def _small(phrase: str) -> str:
    """With a small letter where its article begins the caption."""
    first, space, rest = phrase.partition(" ")
    return first.lower() + space + rest if first.lower() in DETERMINERS else phrase


def _with_capital(before: str, after: str) -> str:
    """As the caption before had it."""
    return after[:1].upper() + after[1:] if before[:1].isupper() else after
