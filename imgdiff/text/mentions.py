"""Which things of a lexicon a caption names, and where.

There is no parser: a noun counts where the words beside it let it be the last of its phrase. That
misreads an unknown noun that ends like a verb (`a dog biscuits box`), unknown verbs (`a dog sleep`
is no dog) and names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from imgdiff.text.compounds import begins_here, ends_here, names_kind, word_behind
from imgdiff.text.grammar import DETERMINERS, MANY, ONE, PRONOUNS, ends_phrase
from imgdiff.text.lexicon import Lexicon, Noun
from imgdiff.text.words import BOUNDARIES, WORD, Span

BEFORE_BARE_NOUNS = frozenset("of with in on by".split()) | {""}
NO_NOUN_AFTER = PRONOUNS | frozenset("that which to".split())
MOST_ADJECTIVES = 3  # unknown words between an article and its noun
NEAR_WORDS = 8  # of a clause, before and after a noun, that may tell what belongs to its name
QUOTES = ('"', "'", "\u2018", "\u201c")
NEAR = 200  # characters before a phrase that are looked at, room for an article and adjectives


@dataclass(frozen=True)
class Mention:
    """A thing that a caption names.

    span: of the noun. attributes: of the attribute words right before it, in order. before: the
    word before these, next: the word after the noun; lower case, empty where a clause begins or
    ends. behind: the word before its article and adjectives, likewise. ends: whether no word after
    it may belong to its name. whole: the noun, with the word before it that belongs to its name, if
    one does: `charter bus`; None where the name may be longer. names: the noun's words. is_first:
    whether the caption begins with it. looks: the attribute words.
    """

    span: Span
    noun: Noun
    attributes: tuple[Span, ...]
    before: str
    next: str
    behind: str
    ends: bool
    whole: Span | None
    names: tuple[str, ...]
    is_first: bool
    looks: tuple[str, ...]

    @property
    def phrase(self) -> Span:
        """The noun with its attributes."""
        return Span(self.attributes[0].start if self.attributes else self.span.start, self.span.end)


@dataclass(frozen=True)
class _Found:
    """Words [first, last) of a caption that are written like a noun."""

    first: int
    last: int
    noun: Noun


def mentions(caption: str, lexicon: Lexicon) -> list[Mention]:
    """The things of the lexicon that the caption names, in order."""
    return _Reading(caption, lexicon).mentions()


def first_word(caption: str, start: int) -> int:
    """Where the phrase begins whose known words begin at `start`: at its article or number, if one
    is there, unknown adjectives between; else where it did."""
    words, end = words_before(caption, start), start
    for word in words[: -2 - MOST_ADJECTIVES : -1]:
        spoken = word.group().lower()
        if caption[word.end() : end].strip():
            break
        if spoken in DETERMINERS:
            return word.start()
        if spoken in BOUNDARIES:
            break
        end = word.start()
    return start


def words_before(caption: str, place: int) -> list[re.Match[str]]:
    """The last words before a place in a caption; all but the first are whole."""
    return list(WORD.finditer(caption, max(0, place - NEAR), place))


class _Reading:
    """A caption, word by word."""

    def __init__(self, caption: str, lexicon: Lexicon) -> None:
        self.caption, self.lexicon = caption, lexicon
        self.matches = list(WORD.finditer(caption))
        self.words = [match.group().lower() for match in self.matches]
        self.left_whole: set[int] = set()  # words of fixed expressions

    def mentions(self) -> list[Mention]:
        found = list(self._nouns())
        neighbours = [
            (a, b) for a, b in pairwise(found) if a.last == b.first and self._joined(b.first)
        ]
        verbs = {b.first for a, b in neighbours if self._is_verb(a, b)}
        parts = {each.first for pair in neighbours if pair[1].first not in verbs for each in pair}
        left_out = verbs | parts
        kept = (each for each in found if each.first not in left_out)
        return [mention for each in kept if (mention := self._mention(each)) is not None]

    def _nouns(self) -> Iterator[_Found]:
        """Longest match first; expressions that are left whole are stepped over."""
        k = 0
        while k < len(self.words):
            length = self._known_words(k)
            noun = self.lexicon.nouns[tuple(self.words[k : k + length])] if length else None
            if length and noun is None:
                self.left_whole.update(range(k, k + length))
            if noun is not None and not self._is_attribute(k, length):
                yield _Found(k, k + length, noun)
            k += length or 1

    def _known_words(self, k: int) -> int:
        """How many words from word k on are written like a noun or an expression of the lexicon."""
        for length in range(min(self.lexicon.most_words, len(self.words) - k), 0, -1):
            joined = all(self._joined(n) for n in range(k + 1, k + length))
            words = tuple(self.words[k : k + length])
            if joined and words in self.lexicon.nouns and not self._ends_with_verb(k, words):
                return length
        return 0

    def _ends_with_verb(self, k: int, words: tuple[str, ...]) -> bool:
        """`a bus stops` is not the plural of `bus stop`."""
        noun = self.lexicon.nouns[words]
        plural = len(words) > 1 and noun is not None and noun.number == "plural"
        return plural and self._determiner(k) in ONE

    def _joined(self, k: int) -> bool:
        """Whether there are words k - 1 and k, with nothing but spaces between."""
        if not 0 < k < len(self.words):
            return False
        return not self.caption[self.matches[k - 1].end() : self.matches[k].start()].strip()

    def _previous(self, k: int) -> str:
        """The word before word k, empty if a clause begins there."""
        return self.words[k - 1] if self._joined(k) else ""

    def _next(self, k: int) -> str:
        """The word after word k, empty if a clause ends there."""
        return self.words[k + 1] if self._joined(k + 1) else ""

    def _is_attribute(self, k: int, length: int) -> bool:
        """`orange` and `glass` say how a thing looks if another noun or attribute follows."""
        attributes, following = self.lexicon.attribute_words, self._next(k)
        if length > 1 or self.words[k] not in attributes or not following:
            return False
        if following == "and":
            return self._next(k + 1) in attributes
        return following in attributes or self._known_words(k + 1) > 0

    def _is_verb(self, a: _Found, b: _Found) -> bool:
        """Whether b, right after a, is none by its number: `a man watches`, `two men fish`."""
        if a.noun.number == "plural":
            return b.noun.number == "singular"
        return b.noun.number == "plural" and self._determiner(a.first) in ONE

    def _determiner(self, k: int) -> str:
        """The article, number or the like of the noun at word k; empty if it has none."""
        for n in range(k, k - 1 - MOST_ADJECTIVES, -1):
            word = self._previous(n)
            if word in DETERMINERS:
                return word
            if not word or word in BOUNDARIES:
                break
        return ""

    def _mention(self, found: _Found) -> Mention | None:
        following, first = self._next(found.last - 1), found.first
        goes_on = following in self.lexicon.compound_heads or not ends_phrase(following)
        noun = self._in_number(found)
        if noun is None or (goes_on and following and found.noun.number != "plural"):
            return None
        while self._is_look(first - 1):
            first -= 1
        before = self._clause_before(first)
        behind = word_behind(before)
        return Mention(
            Span(self.matches[found.first].start(), self.matches[found.last - 1].end()),
            noun,
            tuple(Span(match.start(), match.end()) for match in self.matches[first : found.first]),
            self._previous(first),
            following,
            behind,
            ends_here(self._clause_after(found.last)),
            self._whole(found, first, noun),
            tuple(self.words[found.first : found.last]),
            behind == "" and len(before) == first,
            tuple(self.words[first : found.first]),
        )

    def _whole(self, found: _Found, first: int, noun: Noun) -> Span | None:
        """Names of people, towns and shops have a capital; what is quoted is not shown."""
        word, start = self.matches[found.first].group(), self.matches[first].start()
        if self.caption[max(0, start - 2) : start].strip().endswith(QUOTES):
            return None
        if found.first > 0 and word[0].isupper() and not word.isupper():
            return None
        before, end = self._clause_before(first), self.matches[found.last - 1].end()
        is_bare = noun.number == "singular" and first == found.first
        if begins_here(before, is_bare):
            return Span(self.matches[found.first].start(), end)
        joined = first == found.first and before[-1].isalpha() and first - 1 not in self.left_whole
        joined = joined and (first == 1 or self._joined(first - 1)) and not word.endswith("ing")
        if joined and names_kind(before[-1]) and begins_here(before[:-1], is_bare):
            return Span(self.matches[first - 1].start(), end)
        return None

    def _clause_before(self, k: int) -> list[str]:
        start = k
        while k - start < NEAR_WORDS and self._joined(start):
            start -= 1
        return self.words[start:k]

    def _clause_after(self, k: int) -> list[str]:
        stop = k
        while stop - k < NEAR_WORDS and self._joined(stop):
            stop += 1
        return self.words[k:stop]

    def _is_look(self, k: int) -> bool:
        """Whether word k is an attribute of what follows it."""
        known = self._previous(k + 1) in self.lexicon.attribute_words
        return known and k not in self.left_whole

    def _in_number(self, found: _Found) -> Noun | None:
        """The noun in the number that its article says; None if the words are a verb, or if one or
        many cannot be told."""
        noun, written = found.noun, " ".join(self.words[found.first : found.last])
        determiner, previous = self._determiner(found.first), self._previous(found.first)
        if not determiner:
            if previous in NO_NOUN_AFTER:
                return None
            if written in self.lexicon.also_verbs and previous not in (
                BEFORE_BARE_NOUNS | self.lexicon.attribute_words
            ):
                return None
        if noun.number == "singular" and self.lexicon.form(written, "plural") == written:
            if determiner in DETERMINERS - ONE - MANY:  # `the sheep`
                return None
            return noun if determiner in ONE else replace(noun, number="plural")
        return noun
