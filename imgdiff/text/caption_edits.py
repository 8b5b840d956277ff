"""Another caption, one thing of it changed with a lexicon: no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from imgdiff.text.compounds import VERB_FORMS, describes
from imgdiff.text.grammar import SHADES, article, fit_article
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
# behind these a phrase says what is there, or where it is; behind a verb, something is done with it
BEFORE_NEIGHBOURS = frozenset("is are of with on near by beside behind under show shows".split())


MATERIALS = frozenset(["material", "wood or metal"])  # kinds of attributes


class CaptionEdit(NamedTuple):
    """The new caption, and the words that changed as they stood and stand in it, lower case.

    For an attribute both hold the noun: (`red car`, `blue car`). For something added `source` is
    empty.
    """

    caption: str
    source: str
    target: str


WordCounts = Counter[str]
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
    place = mention.whole or mention.span
    return CaptionEdit(put(caption, place, new), place.of(caption).lower(), new)


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
        if _takes_neighbour(mention)
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


def is_replaceable(mention: Mention, lexicon: Lexicon, words: WordCounts) -> bool:
    """Not part of a longer name; not `a bowl of soup`, for there is no hat of it; not `a slice of
    pizza`; not a man whom `his` speaks of, nor one of whom there is another."""
    group = lexicon.groups[mention.noun.group]
    if not mention.whole or not mention.ends or mention.next == "of" or _is_of(mention):
        return False
    if mention.behind in group.not_after or _says(words, group.not_with, mention, lexicon):
        return False
    return sum(words[word] for word in lexicon.last_words[mention.noun.thing]) == 1


def stand_ins(mention: Mention, lexicon: Lexicon, words: WordCounts) -> Iterator[str]:
    """First names of the things that may stand where one does, whether or not they are in the
    caption already. words: all of the caption."""
    group = lexicon.groups[mention.noun.group]
    groups = [group] if group.alike else []
    for name, scene in group.also.items():
        other = lexicon.groups[name]
        suits = not mention.looks or set(group.attributes) <= set(other.attributes)
        if suits and not _says(words, scene, mention, lexicon):
            groups.append(other)
    if any(look in lexicon.material_words for look in mention.looks):
        groups = [each for each in groups if MATERIALS.intersection(each.attributes)]
    names = (thing[0] for each in groups for thing in each.things)
    return (name for name in names if not lexicon.may_be_one(mention.noun.thing[0], name))


def _is_of(mention: Mention) -> bool:
    """A slice of pizza."""
    return mention.before == "of" and mention.noun.number == "singular"


def _says(words: WordCounts, scene: frozenset[str], mention: Mention, lexicon: Lexicon) -> bool:
    """Whether words of a scene are in the caption, beside those that name the thing."""
    own = lexicon.last_words[mention.noun.thing].union(mention.names)
    return any(word in scene and word not in own for word in words)


def _others(mention: Mention, lexicon: Lexicon, words: WordCounts) -> Iterator[str]:
    for name in stand_ins(mention, lexicon, words):
        new = lexicon.form(name, mention.noun.number)
        there = lexicon.nouns[tuple(name.split())]
        if new is not None and there and lexicon.last_words[there.thing].isdisjoint(words):
            yield new


def _takes_neighbour(mention: Mention) -> bool:
    """Whether `next to` can follow, and what comes then stays said of the thing: it begins the
    caption (`a dog sleeps`, not `a man in a hat`), or says what is in a place."""
    if not mention.ends:
        return False
    is_place = not mention.next or mention.next in BEFORE_PLACES
    if mention.is_first:
        return mention.next != "in" and (is_place or mention.next in VERB_FORMS)
    begins = mention.behind in BEFORE_NEIGHBOURS or (not mention.behind and mention.before)
    return bool(is_place and begins and not _is_of(mention))


def _company(mention: Mention, lexicon: Lexicon, words: WordCounts) -> Iterator[str]:
    for group in lexicon.groups[mention.noun.group].beside:
        for thing in lexicon.groups[group].things:
            new = lexicon.form(thing[0], "singular")
            if new is not None and lexicon.last_words[thing].isdisjoint(words):
                yield new


# where new words go, where the noun ends, and what they may be
_Change = tuple[Span, int, list[str]]


def attribute_changes(
    caption: str, mention: Mention, lexicon: Lexicon, words: WordCounts
) -> Iterator[_Change]:
    """Every attribute of the thing that has others of its kind. words: all of the caption."""
    if mention.before in SHADES or not mention.ends:
        return
    for place in mention.attributes:
        word = place.of(caption).lower()
        for kind in lexicon.groups[mention.noun.group].attributes:
            if any(word in alike for alike in lexicon.attributes[kind]):
                if others := _looks(kind, words, lexicon):
                    yield place, mention.span.end, others
                break


def _put_in(
    caption: str, mention: Mention, lexicon: Lexicon, words: WordCounts
) -> Iterator[_Change]:
    """Attributes that the thing may get, if nothing is said yet of how it looks."""
    is_whole = mention.whole == mention.span and mention.ends
    if mention.attributes or not is_whole or describes(mention.before):
        return
    noun = mention.span.of(caption)
    noun = noun if noun.isupper() else noun[0].lower() + noun[1:]
    for kind in lexicon.groups[mention.noun.group].attributes:
        if looks := _looks(kind, words, lexicon):
            yield mention.span, mention.span.end, [f"{look} {noun}" for look in looks]


def _looks(kind: str, words: WordCounts, lexicon: Lexicon) -> list[str]:
    """The attributes of a kind, without those among the words of a caption."""
    return [alike[0] for alike in lexicon.attributes[kind] if words.keys().isdisjoint(alike)]


def words_of(caption: str) -> WordCounts:
    """How often it says what, in lower case; `dog's` is a dog."""
    return Counter(word.group().lower().removesuffix("'s") for word in WORD.finditer(caption))


def put(caption: str, place: Span, words: str) -> str:
    """The caption with other words in a place: a capital stays one, but not that of `TV`; an
    article before it is made to fit."""
    old = place.of(caption)
    if old[0].isupper() and (place.start == 0 or not old.isupper()):
        words = words[0].upper() + words[1:]
    written = fit_article(caption[: place.start], words) + words + caption[place.end :]
    return written.upper() if caption.isupper() else written
