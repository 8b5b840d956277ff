"""Whether a text names what two captions exchange, in the words of a lexicon."""

from dataclasses import dataclass

from imgdiff.text.lexicon import Alike, Lexicon
from imgdiff.text.mentions import Mention, first_word, mentions
from imgdiff.text.words import WORD, Span, changed_words


@dataclass(frozen=True)
class NamedThing:
    """A thing as a caption names it. looks: the first names of its attributes."""

    noun: Alike
    looks: frozenset[str]


def exchanged(
    caption_a: str, caption_b: str, lexicon: Lexicon
) -> tuple[list[NamedThing], list[NamedThing]]:
    """What each caption names where the two differ: `a red car on grass` and `a red boat on grass`
    give a red car and a red boat.

    A thing that looks different counts with its noun, so for `a blue car` they give a red and a
    blue car. A side is empty where nothing was there before, or nothing stands there any more, or
    no noun of the lexicon does.
    """
    spans_a, spans_b = changed_words(caption_a, caption_b)
    return _inside(caption_a, spans_a, lexicon), _inside(caption_b, spans_b, lexicon)


def agreement(things: list[NamedThing], text: str, lexicon: Lexicon) -> float:
    """How far a text names all of these things, 0 to 1: that of the worst of them.

    0 where a thing's noun is missing, by whatever name; else the share of its noun and its looks
    that the text gives one thing: `a blue car` agrees by half with a red car.
    """
    named = {_thing(text, mention, lexicon) for mention in mentions(text, lexicon)}
    wanted = set(things)  # a long text may name one thing thousands of times
    return min(max((_share(thing, each, lexicon) for each in named), default=0) for thing in wanted)


def _inside(caption: str, spans: tuple[Span, ...], lexicon: Lexicon) -> list[NamedThing]:
    return [
        _thing(caption, mention, lexicon)
        for mention in mentions(caption, lexicon)
        if any(s.start < mention.phrase.end and mention.phrase.start < s.end for s in spans)
    ]


def _thing(text: str, mention: Mention, lexicon: Lexicon) -> NamedThing:
    """With the attributes anywhere in its phrase: a red sports car is red."""
    start = first_word(text, mention.phrase.start)
    words = {word.group().lower() for word in WORD.finditer(text, start, mention.span.start)}
    kinds = lexicon.attributes.values()
    looks = {alike[0] for kind in kinds for alike in kind if not words.isdisjoint(alike)}
    return NamedThing(mention.noun.thing, frozenset(looks))


def _share(wanted: NamedThing, named: NamedThing, lexicon: Lexicon) -> float:
    same = wanted.noun == named.noun or lexicon.may_be_one(wanted.noun[0], named.noun[0])
    return (1 + len(wanted.looks & named.looks)) / (1 + len(wanted.looks)) if same else 0
