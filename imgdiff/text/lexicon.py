"""Nouns by group and attributes by kind; the files in `lexicons` say what each field is for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from imgdiff.text.grammar import plural

LEXICONS = Path(__file__).parent / "lexicons"
LexiconName = Literal["english", "toyland"]
LEXICON_NAMES: tuple[LexiconName, ...] = get_args(LexiconName)
DEFAULT_LEXICON: LexiconName = "english"
Number = Literal["singular", "plural", "mass"]  # a dog, dogs, bread
NUMBERS: tuple[Number, ...] = ("singular", "plural", "mass")
Alike = tuple[str, ...]  # words for the same, or for what looks the same; the first is written


@dataclass(frozen=True)
class Group:
    """Things of one kind and size that are met in the same places.

    stuff: whether they are around things, as grass and walls are, and not among them.
    alike: whether one may stand where another one was. also: groups whose things may stand there
    too -> words of a caption in which they may not. attributes: the kinds that suit. beside: groups
    of which something may stand next to these. not_with: words of a caption in which these are not
    replaced. not_after: words right before the noun and its article behind which they are not.
    """

    things: tuple[Alike, ...]
    stuff: bool = False
    alike: bool = True
    also: Mapping[str, frozenset[str]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    not_with: frozenset[str] = frozenset()
    not_after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Noun:
    """A word, or several, for a thing of a group."""

    thing: Alike
    group: str
    number: Number


@dataclass(frozen=True)
class Lexicon:
    """What is known of the words of captions."""

    groups: Mapping[str, Group]
    attributes: Mapping[str, tuple[Alike, ...]] = field(default_factory=dict)
    joined_by: str = "and"
    added_attribute: str | None = None
    plurals: Mapping[str, str] = field(default_factory=dict)
    plural_only: frozenset[str] = frozenset()
    uncountable: frozenset[str] = frozenset()
    also_verbs: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()
    fixed: tuple[str, ...] = ()
    covers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def may_be_one(self, name: str, other: str) -> bool:
        """Whether one thing may go by both of these first names: a man, a surfer."""
        return other in self.covers.get(name, ()) or name in self.covers.get(other, ())

    def form(self, name: str, number: Number) -> str | None:
        """The noun in a number; None if it has none: `scissors` has no singular."""
        own: Number = (
            "plural"
            if name in self.plural_only
            else "mass"
            if name in self.uncountable
            else "singular"
        )
        if own == number:
            return name
        return plural(name, self.plurals) if (own, number) == ("singular", "plural") else None

    @cached_property
    def nouns(self) -> dict[tuple[str, ...], Noun | None]:
        """By the words that they are written with; None for expressions that are left whole."""
        found: dict[tuple[str, ...], Noun | None] = {tuple(f.split()): None for f in self.fixed}
        for group, things in ((name, group.things) for name, group in self.groups.items()):
            for thing in things:
                for number in NUMBERS:
                    for form in (self.form(name, number) for name in thing):
                        if form is not None:
                            found.setdefault(tuple(form.split()), Noun(thing, group, number))
        return found

    @cached_property
    def last_words(self) -> dict[Alike, frozenset[str]]:
        """Of every form of a thing's names: where one stands, the thing may be there already."""
        words: dict[Alike, frozenset[str]] = {}
        for form, noun in self.nouns.items():
            if noun is not None:
                words[noun.thing] = words.get(noun.thing, frozenset()) | {form[-1]}
        return words

    @cached_property
    def most_words(self) -> int:
        """Of an entry of `nouns`."""
        return max(map(len, self.nouns))

    @cached_property
    def added_looks(self) -> list[str]:
        """What things that are added look like; empty where nothing is said of it."""
        kind = self.added_attribute
        return [alike[0] for alike in self.attributes[kind]] if kind else []

    @cached_property
    def attribute_words(self) -> frozenset[str]:
        return frozenset(w for kind in self.attributes.values() for alike in kind for w in alike)

    @cached_property
    def material_words(self) -> frozenset[str]:
        return frozenset(w for alike in self.attributes.get("material", ()) for w in alike)

    @cached_property
    def compound_heads(self) -> frozenset[str]:
        """`heads`, and the plurals of those that are no verbs: `a bus stop`, but `a bus stops`."""
        nouns = self.heads - self.also_verbs
        return self.heads | {plural(head, self.plurals) for head in nouns}


@cache
def load_lexicon(name: str) -> Lexicon:
    """One of the files in `lexicons`, by name without ending."""
    content = yaml.safe_load((LEXICONS / f"{name}.yaml").read_text())
    scenes = content.get("scenes", {})
    groups = {name: _group(scenes, **entry) for name, entry in content["groups"].items()}
    return Lexicon(
        groups=groups,
        attributes={kind: _alike(words) for kind, words in content["attributes"].items()},
        joined_by=content["added"]["joined_by"],
        added_attribute=content["added"].get("attribute"),
        plurals=content.get("plurals", {}),
        fixed=tuple(content.get("fixed", ())),
        covers=_covers(content.get("covers", ()), groups),
        **{
            name: frozenset(content.get(name, ()))
            for name in ("plural_only", "uncountable", "also_verbs", "heads")
        },
    )


def _group(
    scenes: Mapping[str, list[str]],
    nouns: list[Any],
    stuff: bool = False,
    alike: bool = True,
    also: Mapping[str, list[str]] | None = None,
    **facts: list[str],
) -> Group:
    return Group(
        things=_alike(nouns),
        stuff=stuff,
        alike=alike,
        also={name: _words(scenes, of) for name, of in (also or {}).items()},
        attributes=tuple(facts.get("attributes", ())),
        beside=tuple(facts.get("beside", ())),
        not_with=_words(scenes, facts.get("not_with", ())),
        not_after=frozenset(facts.get("not_after", ())),
    )


def _words(scenes: Mapping[str, list[str]], names: Iterable[str]) -> frozenset[str]:
    """Of scenes, and those that are none."""
    return frozenset(chain.from_iterable(scenes.get(name, [name]) for name in names))


def _covers(
    entries: Iterable[Mapping[str, list[str]]], groups: Mapping[str, Group]
) -> dict[str, frozenset[str]]:
    covered: dict[str, frozenset[str]] = {}
    for entry in entries:
        for name in entry["names"]:
            covered[name] = covered.get(name, frozenset()).union(_things(entry["things"], groups))
    return covered


def _things(names: Iterable[str], groups: Mapping[str, Group]) -> Iterator[str]:
    """First names of things: of a whole group, or those that are given."""
    for name in names:
        yield from (thing[0] for thing in groups[name].things) if name in groups else (name,)


def _alike(entries: Iterable[str | list[str]]) -> tuple[Alike, ...]:
    return tuple((entry,) if isinstance(entry, str) else tuple(entry) for entry in entries)
