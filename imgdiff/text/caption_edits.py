"""Another caption, one thing of it changed with a lexicon: no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from imgdiff.text.grammar import DETERMINERS, SHADES, article, fit_article
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import Mention, mentions
from imgdiff.text.words import WORD, Span

if TYPE_CHECKING:
    import numpy as np

# what may follow a noun that something is put next to: what comes then is true of both
BEFORE_PLACES = frozenset(
    "in on at near by under below above behind beside next inside outside against along is are "
    "sits stands lies rests sitting standing lying laying resting parked".split()
)
BEFORE_ATTRIBUTES = DETERMINERS | frozenset("of with in on by and next to near".split()) | {""}


class CaptionEdit(NamedTuple):
    """The new caption, and the words that changed as they stood and stand in it, lower case.

    For an attribute both hold the noun: (`red car`, `blue car`). For something added `source` is
    empty.
    """

    caption: str
    source: str
    target: str


Editor = Callable[[str, Lexicon, "np.random.Generator"], CaptionEdit | None]


def replace_noun(caption: str, lexicon: Lexicon, rng: np.random.Generator) -> CaptionEdit | None:
    """One thing becomes another one of its group, in the same number, that does not stand in the
    caption already. None if no such thing is named."""
    words = words_of(caption)
    choices = [
        (mention, others)
        for mention in mentions(caption, lexicon)
        if is_replaceable(mention, lexicon, words)
        and (others := list(_others(mention, lexicon, words)))
    ]
    if not choices:
        return None
    mention, others = choices[int(rng.integers(len(choices)))]
    new = str(rng.choice(others))
    old = mention.span.of(caption).lower()
    return CaptionEdit(put(caption, mention.span, new), old, new)


def change_attribute(
    caption: str, lexicon: Lexicon, rng: np.random.Generator
) -> CaptionEdit | None:
    """A thing looks different: an attribute becomes another one of its kind or, if no thing has
    one, one is put in. None if nothing is named that an attribute suits."""
    found, words = mentions(caption, lexicon), words_of(caption)
    changes = [
        change
        for mention in found
        for change in attribute_changes(caption, mention, lexicon, words)
    ]
    if not changes:
        changes = [put for mention in found for put in _put_in(caption, mention, lexicon, words)]
    if not changes:
        return None
    place, end, others = changes[int(rng.integers(len(changes)))]
    new = str(rng.choice(others))
    source, target = caption[place.start : end], new + caption[place.end : end]
    return CaptionEdit(put(caption, place, new), source.lower(), target.lower())


def add_object(caption: str, lexicon: Lexicon, rng: np.random.Generator) -> CaptionEdit | None:
    """Something appears right behind a thing: `a cat next to a dog on a sofa`. None if nothing is
    named that something may be put next to."""
    words = words_of(caption)
    choices = [
        (mention, others)
        for mention in mentions(caption, lexicon)
        if not mention.next or mention.next in BEFORE_PLACES
        if (others := list(_company(mention, lexicon, words)))
    ]
    if not choices:
        return None
    mention, others = choices[int(rng.integers(len(choices)))]
    new = str(rng.choice(others))
    kind = lexicon.added_attribute
    if kind and (looks := _looks(kind, words, lexicon)):
        new = f"{rng.choice(looks)} {new}"
    end = mention.span.end
    added = f" {lexicon.joined_by} {article(new)} {new}"
    return CaptionEdit(caption[:end] + added + caption[end:], "", new)


EDITORS: dict[str, Editor] = {
    "replace": replace_noun,
    "attribute": change_attribute,
    "add": add_object,
}


def is_replaceable(mention: Mention, lexicon: Lexicon, words: set[str]) -> bool:
    """Not `a bowl of soup`, for there is no hat of it; not `a slice of pizza`; not a man whom `his`
    speaks of."""
    bare = mention.before == "of" and mention.noun.number == "singular"
    group = lexicon.groups[mention.noun.group]
    return mention.next != "of" and not bare and words.isdisjoint(group.not_with)


def _others(mention: Mention, lexicon: Lexicon, words: set[str]) -> Iterator[str]:
    noun = mention.noun
    for thing in lexicon.groups[noun.group].things:
        new = lexicon.form(thing[0], noun.number)
        if new is not None and words.isdisjoint(lexicon.last_words[thing]):
            yield new


def _company(mention: Mention, lexicon: Lexicon, words: set[str]) -> Iterator[str]:
    for group in lexicon.groups[mention.noun.group].beside:
        for thing in lexicon.groups[group].things:
            new = lexicon.form(thing[0], "singular")
            if new is not None and words.isdisjoint(lexicon.last_words[thing]):
                yield new


# where new words go, where the noun ends, and what they may be
_Change = tuple[Span, int, list[str]]


def attribute_changes(
    caption: str, mention: Mention, lexicon: Lexicon, words: set[str]
) -> Iterator[_Change]:
    """Every attribute of the thing that has others of its kind. words: all of the caption."""
    if mention.before in SHADES:
        return
    for place in mention.attributes:
        word = place.of(caption).lower()
        for kind in lexicon.groups[mention.noun.group].attributes:
            if any(word in alike for alike in lexicon.attributes[kind]):
                if others := _looks(kind, words, lexicon):
                    yield place, mention.span.end, others
                break


def _put_in(caption: str, mention: Mention, lexicon: Lexicon, words: set[str]) -> Iterator[_Change]:
    """Attributes that the thing may get, if nothing is said yet of how it looks."""
    if mention.attributes or mention.before not in BEFORE_ATTRIBUTES:
        return
    noun = mention.span.of(caption)
    noun = noun if noun.isupper() else noun[0].lower() + noun[1:]
    for kind in lexicon.groups[mention.noun.group].attributes:
        if looks := _looks(kind, words, lexicon):
            yield mention.span, mention.span.end, [f"{look} {noun}" for look in looks]


def _looks(kind: str, words: set[str], lexicon: Lexicon) -> list[str]:
    """The attributes of a kind, without those among the words of a caption."""
    return [alike[0] for alike in lexicon.attributes[kind] if words.isdisjoint(alike)]


def words_of(caption: str) -> set[str]:
    """All that it says, in lower case, each word once."""
    return {word.group().lower() for word in WORD.finditer(caption)}


def put(caption: str, place: Span, words: str) -> str:
    """The caption with other words in a place: a capital stays one, but not that of `TV`; an
    article before it is made to fit."""
    old = place.of(caption)
    if old[0].isupper() and (place.start == 0 or not old.isupper()):
        words = words[0].upper() + words[1:]
    written = fit_article(caption[: place.start], words) + words + caption[place.end :]
    return written.upper() if caption.isupper() else written
