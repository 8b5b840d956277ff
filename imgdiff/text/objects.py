"""What stands in images, by name: how often, beside what, and what is surely absent from one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgdiff.errors import RefusedError
from imgdiff.text.grammar import plural
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import mentions
from imgdiff.text.words import WORD

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

SHOWN_BESIDE = 5  # objects together with another one, in the table
PER_FAMILY = 3  # absent objects that a family has, in the paper


@dataclass(frozen=True)
class ObjectStatistics:
    """Counts over the images of a dataset.

    images: how many there are. frequency: object -> images that show it. together: object ->
    other object -> images that show both. Objects go by the lexicon's first name for them.
    """

    images: int
    frequency: Mapping[str, int]
    together: Mapping[str, Mapping[str, int]]

    @classmethod
    def count(cls, shown: Iterable[Collection[str]], lexicon: Lexicon) -> ObjectStatistics:
        """One pass over images, each given as the names of what it shows."""
        images, frequency = 0, Counter[str]()
        together: dict[str, Counter[str]] = {}
        for names in shown:
            things = list(dict.fromkeys(first_name(name, lexicon) for name in names))
            images += 1
            frequency.update(things)
            for one, other in permutations(things, 2):
                together.setdefault(one, Counter())[other] += 1
        return cls(images, frequency, together)

    @classmethod
    def read(cls, path: Path) -> ObjectStatistics:
        """What `as_json` has given, from a file.

        Raises:
            RefusedError: it cannot be read, or has another form.
        """
        try:
            return cls.from_json(json.loads(path.read_bytes()))
        except OSError as error:
            raise RefusedError(f"{path}: {error.strerror}") from None
        except (AttributeError, KeyError, TypeError, ValueError):
            raise RefusedError(f"{path}: expected images, frequency and together") from None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ObjectStatistics:
        frequency = {str(name): int(count) for name, count in content["frequency"].items()}
        together = {
            str(name): {str(other): int(count) for other, count in others.items()}
            for name, others in content["together"].items()
        }
        return cls(int(content["images"]), frequency, together)

    def as_json(self) -> dict[str, Any]:
        """Plain values, the most frequent first."""
        names = sorted(self.frequency, key=lambda name: (-self.frequency[name], name))
        together = {
            name: dict(sorted(self.together[name].items(), key=lambda pair: (-pair[1], pair[0])))
            for name in names
            if name in self.together
        }
        frequency = {name: self.frequency[name] for name in names}
        return {"images": self.images, "frequency": frequency, "together": together}


def first_name(name: str, lexicon: Lexicon) -> str:
    """What the lexicon calls an object: `red cars`, `automobile` -> `car`; an unknown one as it is,
    in lower case."""
    words = tuple(name.lower().split())
    for k in range(len(words)):
        noun = lexicon.nouns.get(words[k:])
        if noun is not None:
            return noun.thing[0]
    return " ".join(words)


def named_objects(caption: str, lexicon: Lexicon) -> list[str]:
    """The things of the lexicon that a caption names, each once, by their first names; no stuff."""
    nouns = (mention.noun for mention in mentions(caption, lexicon))
    things = (noun.thing[0] for noun in nouns if not lexicon.groups[noun.group].stuff)
    return list(dict.fromkeys(things))


def names(caption: str, name: str, lexicon: Lexicon) -> bool:
    """Whether a caption has one of the object's names in it, in either number; what the lexicon
    does not know is looked for as it is written."""
    noun = lexicon.nouns.get(tuple(name.split()))
    thing = noun.thing if noun else (name,)
    plurals = [plural(each, lexicon.plurals) for each in thing]
    spoken = f" {' '.join(word.group().lower() for word in WORD.finditer(caption))} "
    return any(f" {each} " in spoken for each in (*thing, *plurals))


def known_objects(objects: list[str] | None, caption: str, lexicon: Lexicon) -> list[str]:
    """What is known of an image: its objects or, where there are none, what its caption names."""
    return objects or named_objects(caption, lexicon)


class Shown:
    """What an image may show, by its objects and its caption."""

    def __init__(self, caption: str, objects: Iterable[str], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        known = [*objects, *named_objects(caption, lexicon)]
        self._names = {first_name(name, lexicon) for name in known}
        self._words = {
            word.group().lower() for text in (caption, *known) for word in WORD.finditer(text)
        }

    def lacks(self, name: str) -> bool:
        """Whether the object is surely absent: neither it, nor another word for it, nor a thing
        that is one (a police car is a car, a gull is a bird) or may be one is known to be there."""
        lexicon = self._lexicon
        own = first_name(name, lexicon)
        noun = lexicon.nouns.get(tuple(own.split()))
        last_words = lexicon.last_words[noun.thing] if noun else {own.rpartition(" ")[2]}
        if own in self._names or not self._words.isdisjoint(last_words):
            return False
        return not any(lexicon.may_be_one(own, other) for other in self._names)


def absent_objects(
    shown: Shown,
    present: Iterable[str],
    statistics: ObjectStatistics,
    rng: np.random.Generator,
    number: int = PER_FAMILY,
) -> dict[str, list[str]]:
    """Objects that the image lacks, `number` in each family, none in two (OHD-Caps, section 3.1).

    adversarial: those most often together with the objects that are there; popular: the most
    frequent of the others; random: any of the rest. Equal counts go by frequency, then by name.
    Families are filled in this order, as far as there are absent objects.
    """
    beside = Counter[str]()
    for name in present:
        beside.update(statistics.together.get(name, {}))
    frequency = statistics.frequency
    left = sorted(
        (name for name in frequency if shown.lacks(name)), key=lambda name: (-frequency[name], name)
    )
    adversarial = sorted(left, key=lambda name: -beside[name])[:number]
    left = [name for name in left if name not in adversarial]
    popular, rest = left[:number], left[number:]
    drawn = [str(name) for name in rng.permutation(rest)[:number]] if rest else []
    return {"random": drawn, "popular": popular, "adversarial": adversarial}


def print_objects(console: Console, statistics: ObjectStatistics, most: int) -> None:
    """The most frequent objects, each with what it is most often together with."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("object", no_wrap=True)
    table.add_column("images", justify="right")
    table.add_column("most often together with")
    counts = statistics.as_json()
    for name, count in list(counts["frequency"].items())[:most]:
        beside = list(counts["together"].get(name, {}).items())[:SHOWN_BESIDE]
        table.add_row(name, str(count), ", ".join(f"{other} {n}" for other, n in beside))
    console.print(f"{statistics.images} images, {len(statistics.frequency)} objects\n")
    console.print(table)
