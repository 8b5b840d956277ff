"""Captions that name what an image does not show, or less than it shows (OHD-Caps, Liu et al. 2024,
arXiv 2410.03176, section 3.1): planned by objects, then written by rules.

The paper's families overlap: one object is drawn by several, and more than half of the released
rows hold a caption twice. Here no object is in two families, and no caption comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, cycle, islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from imgdiff.text.caption_edits import (
    attribute_changes,
    is_replaceable,
    put,
    stand_ins,
    words_of,
)
from imgdiff.text.chains import put_in, take_out
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import Mention, mentions
from imgdiff.text.objects import (
    ObjectStatistics,
    Shown,
    absent_objects,
    first_name,
    named_objects,
)

if TYPE_CHECKING:
    import numpy as np

NegativeKind = Literal["random", "popular", "adversarial", "remove", "alter"]
INSERTED: tuple[NegativeKind, ...] = ("random", "popular", "adversarial")
FAMILIES: tuple[NegativeKind, ...] = (*INSERTED, "remove", "alter")
TRUE_OBJECTS = 3  # of an image, that are taken out or altered
CHANGES = 6  # captions with one or two of them taken out or altered
TRIES = 4  # at other alterations, where one is there already or cannot be written


class NegativeTask(NamedTuple):
    """A negative to be written: the objects to put in (random, popular, adversarial), to take out
    or to alter, by first names of the lexicon. into: what an altered one becomes; None: whatever
    the rules find."""

    family: NegativeKind
    objects: tuple[str, ...]
    into: str | None = None


class Negative(NamedTuple):
    """A caption that fits the image worse than its own does, and what was done to the latter."""

    caption: str
    family: NegativeKind
    objects: tuple[str, ...]


def negatives(
    caption: str,
    objects: Sequence[str],
    statistics: ObjectStatistics,
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> list[Negative]:
    """27 negatives of an image by rules, if it has objects enough and lacks nine of the dataset's;
    else fewer. All differ from each other and from the caption, case and spaces aside.

    Args:
        objects: what the image shows; what the caption names counts as shown, too.
    """
    tasks = plan(caption, objects, statistics, lexicon, rng)
    return by_rules(caption, tasks, Shown(caption, objects, lexicon), lexicon, rng)


def by_rules(
    caption: str,
    tasks: Sequence[NegativeTask],
    shown: Shown,
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> list[Negative]:
    """One negative for each task, as far as the rules go; where one is there already, or none can
    be written, something is altered in another way."""
    others = [
        NegativeTask("alter", task.objects) for task in tasks if task.family not in INSERTED
    ] * TRIES
    written = (
        negative
        for task in (*tasks, *others)
        for negative in write(caption, task, shown, lexicon, rng)
    )
    return list(islice(distinct(caption, written), len(tasks)))


def plan(
    caption: str,
    objects: Sequence[str],
    statistics: ObjectStatistics,
    lexicon: Lexicon,
    rng: np.random.Generator,
    alterations: int = 0,
) -> list[NegativeTask]:
    """Every subset of three absent objects of each family, to be put in (7 each), and 6 tasks for
    one or two of the first three true objects: taken out where the caption names them and another
    one, altered else.

    True objects that the caption names come first, as they are what rules can change. With fewer
    than three, subsets come again. As many as `alterations`, if there are, alter one of them each;
    every second one makes it one of the absent objects, of whatever group.
    """
    shown, said = Shown(caption, objects, lexicon), named_objects(caption, lexicon)
    present = list(dict.fromkeys([*said, *(first_name(name, lexicon) for name in objects)]))
    drawn = absent_objects(shown, present, statistics, rng)
    tasks = [
        NegativeTask(family, subset)
        for family in INSERTED
        for subset in _subsets(drawn[family], len(drawn[family]))
    ]
    changed = list(_subsets(present[:TRUE_OBJECTS], 2))
    for k in range(CHANGES if changed else 0):
        subset = changed[k % len(changed)]
        named = set(subset) < set(said) and k < len(changed)
        tasks.append(NegativeTask("remove" if named else "alter", subset))
    if alterations:
        absent = list(chain.from_iterable(drawn.values()))
        tasks += islice(_alterations(present[:TRUE_OBJECTS], absent, rng), alterations)
    return tasks


def write(
    caption: str, task: NegativeTask, shown: Shown, lexicon: Lexicon, rng: np.random.Generator
) -> list[Negative]:
    """The negative of a task by rules: none where the rules find no way; what cannot be taken out
    is altered."""
    if task.family in INSERTED:
        return [Negative(put_in(caption, task.objects, lexicon, rng), task.family, task.objects)]
    if task.family == "remove":
        shorter = take_out(caption, task.objects, lexicon)
        if shorter is not None:
            return [Negative(shorter, task.family, task.objects)]
    altered = alter(caption, task.objects, shown, lexicon, rng, task.into)
    return [] if altered is None else [altered]


def alter(
    caption: str,
    objects: Sequence[str],
    shown: Shown,
    lexicon: Lexicon,
    rng: np.random.Generator,
    into: str | None = None,
) -> Negative | None:
    """The caption with other words for the objects: `into` if it is given, else another thing of
    the group that the image lacks, or another look where one is said. Where it names none of them,
    something else in it is altered; None if nothing can be."""
    found = mentions(caption, lexicon)
    wanted = [each for each in found if each.noun.thing[0] in objects]
    others = [found[k] for k in rng.permutation(len(found))]
    done: list[str] = []
    for mention in reversed(wanted or others):  # from the end, so that places stay
        ways = list(_ways(caption, mention, shown, lexicon, into))
        if ways and (wanted or not done):
            caption = str(rng.choice(ways[int(rng.integers(len(ways)))]))
            done.append(mention.noun.thing[0])
    return Negative(caption, "alter", tuple(reversed(done))) if done else None


def distinct(caption: str, found: Iterable[Negative]) -> Iterator[Negative]:
    """Those that are neither the caption nor one of those before."""
    seen = {_plain(caption)}
    for negative in found:
        plain = _plain(negative.caption)
        if plain not in seen:
            seen.add(plain)
            yield negative


def _alterations(
    things: Sequence[str], absent: Sequence[str], rng: np.random.Generator
) -> Iterator[NegativeTask]:
    """One thing each, by turns as the rules find and into an absent one, no such exchange twice."""
    exchanges = [NegativeTask("alter", (thing,), other) for thing in things for other in absent]
    free = (NegativeTask("alter", (thing,)) for thing in cycle(things))
    for k, task in zip(rng.permutation(len(exchanges)), free, strict=False):
        yield from (task, exchanges[k])


def _subsets(names: Sequence[str], largest: int) -> Iterator[tuple[str, ...]]:
    """Of one name and more, small ones first."""
    return (subset for size in range(1, largest + 1) for subset in combinations(names, size))


def _ways(
    caption: str, mention: Mention, shown: Shown, lexicon: Lexicon, into: str | None
) -> Iterator[list[str]]:
    """Captions by what is altered of a thing: each of its attributes, and itself; with `into`,
    itself alone."""
    words = words_of(caption)
    names = [into] if into else list(stand_ins(mention, lexicon, words))
    if into is None:
        for place, _, looks in attribute_changes(caption, mention, lexicon, words):
            if looks:
                yield [put(caption, place, look) for look in looks]
    if is_replaceable(mention, lexicon, words):
        others = [
            new
            for name in names
            if shown.lacks(name)
            if (new := lexicon.form(name, mention.noun.number)) is not None
        ]
        if others:
            yield [put(caption, mention.whole or mention.span, new) for new in others]


def _plain(caption: str) -> str:
    return " ".join(caption.lower().split()).rstrip(" .")
