"""Pairs of scenes that differ in known ways: every kind of change, one or several at once.

A change makes another scene of a scene. What differs is then read off both scenes, things being
known by their keys, so that the list of differences is whole whatever was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgdiff.toyland.world.captions import FORMS, PLACES, Telling, full_phrase, phrase, telling
from imgdiff.toyland.world.sampling import (
    WORLD,
    Mix,
    can_carry,
    free_square,
    from_back_to_front,
    sample_scene,
    seen_colour,
)
from imgdiff.toyland.world.scenes import LEAST_ASIDE, SIDE, Picture, Scene, Thing, box_of, draw
from imgdiff.toyland.world.vocabulary import (
    CATEGORIES,
    COLOURS,
    DIGITS,
    GROUNDS,
    HELD_OUT,
    LOOKS,
    NUMBERS,
    SIZES,
    category_plural,
)

Change = Callable[[Scene, np.random.Generator], Scene | None]
TRIES = 20
MOST_THINGS = 5


@dataclass(frozen=True)
class Difference:
    """One way in which two pictures differ.

    kind: `replace`, `attribute`, `add`, `remove`, `count`, `position`, `size`, `text`,
    `background` or `style`. phrase_a, phrase_b: what is there; empty where nothing is. mask_a,
    mask_b: [128, 128] bool, the visible pixels that it is about; none set where nothing is there.
    """

    kind: str
    phrase_a: str
    phrase_b: str
    mask_a: np.ndarray
    mask_b: np.ndarray

    @property
    def boxes_xyxy(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """[4] float32 pixels around either mask; None where nothing is there."""
        one, other = (
            np.array(box_of(mask), np.float32) if mask.any() else None
            for mask in (self.mask_a, self.mask_b)
        )
        return one, other


@dataclass(frozen=True)
class Pair:
    """Two scenes with their pictures, their captions and all that differs."""

    scenes: tuple[Scene, Scene]
    pictures: tuple[Picture, Picture]
    captions: tuple[str, str]
    differences: tuple[Difference, ...]

    @property
    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """Two [128, 128, 3] uint8 RGB."""
        return self.pictures[0].image, self.pictures[1].image


def changed_pair(
    rng: np.random.Generator, kinds: Sequence[str], mix: Mix = WORLD, count: int | None = None
) -> Pair:
    """A pair with one change of each of `kinds` (names of CHANGES, or none at all), planted in a
    scene of the mix; of so many things, if `count` is given.

    Each change is another difference: no thing is changed twice.
    """
    while True:
        scene = sample_scene(rng, mix, count)
        other = planted(scene, rng, kinds)
        if other is not None:
            return make_pair(scene, other, rng)


def planted(scene: Scene, rng: np.random.Generator, kinds: Sequence[str]) -> Scene | None:
    """The scene with one change of each kind, or None if it cannot bear them."""
    other = scene
    for kind in kinds:
        for _ in range(TRIES):
            changed = CHANGES[kind](other, rng)
            wanted = sorted([*_kinds(scene, other), kind])
            if changed is not None and _kinds(scene, changed) == wanted:
                other = changed
                break
        else:
            return None
    return other


def make_pair(scene: Scene, other: Scene, rng: np.random.Generator) -> Pair:
    """Draw two scenes, caption both by one telling that leaves out nothing that changed, and list
    what differs."""
    pictures = draw(scene), draw(other)
    found = differences((scene, other), pictures)
    told = _telling_all(scene, other, rng)
    return Pair((scene, other), pictures, (told.words(scene), told.words(other)), found)


def differences(
    scenes: tuple[Scene, Scene], pictures: tuple[Picture, Picture]
) -> tuple[Difference, ...]:
    """All ways in which two scenes differ, in order of kind and key."""
    a, b = scenes
    masks = [
        dict(zip(s.keys, picture.masks, strict=True))
        for s, picture in zip(scenes, pictures, strict=True)
    ]
    nothing = np.zeros((SIDE, SIDE), bool)
    found = []
    for kind, keys in _changed_keys(a, b):
        one, other = (np.any([nothing, *(m[k] for k in keys if k in m)], axis=0) for m in masks)
        said = (_said(a, kind, keys, b), _said(b, kind, keys, a))
        found.append(Difference(kind, *said, one, other))
    for kind in _changes_of_the_whole(a, b):
        said = (a.ground, b.ground) if kind == "background" else (a.look, b.look)
        around = (~np.any([nothing, *m.values()], axis=0) | (kind == "style") for m in masks)
        found.append(Difference(kind, *said, *around))
    return tuple(found)


def _kinds(a: Scene, b: Scene) -> list[str]:
    return sorted([*(kind for kind, _ in _changed_keys(a, b)), *_changes_of_the_whole(a, b)])


def _changes_of_the_whole(a: Scene, b: Scene) -> list[str]:
    changed = {"background": a.ground != b.ground, "style": a.look != b.look}
    return [kind for kind, differs in changed.items() if differs]


def _changed_keys(a: Scene, b: Scene) -> list[tuple[str, tuple[int, ...]]]:
    """Kind of change and the keys that it is about."""
    found: list[tuple[str, tuple[int, ...]]] = [
        (_kind(a[key], b[key]), (key,)) for key in a.keys if key in b.keys and a[key] != b[key]
    ]
    gone = [(key, a, b) for key in a.keys if key not in b.keys]
    new = [(key, b, a) for key in b.keys if key not in a.keys]
    for key, here, there in gone + new:
        name = here[key].name
        others = [k for k in here.alike(key) if k in there.keys and there[k].name == name]
        kind = "count" if others else ("remove" if here is a else "add")
        found.append((kind, (key,)))
    return found


def _kind(one: Thing, other: Thing) -> str:
    """What tells two things of one key apart, by the first that counts."""
    if one.category != other.category:
        return "replace"
    if one.colour != other.colour:
        return "attribute"
    if one.digit != other.digit:
        return "text"
    return "size" if one.half != other.half else "position"


def _said(scene: Scene, kind: str, keys: tuple[int, ...], other: Scene) -> str:
    """What stands there in one of the scenes; keys of one kind are of one name."""
    here = [scene[key] for key in keys if key in scene.keys]
    if kind == "count":
        thing = (here or [other[key] for key in keys])[0]
        number = sum(one.name == thing.name for one in scene.things)
        if number == 1:
            return phrase(thing)
        return f"{NUMBERS[number]} {thing.colour} {category_plural(thing.category)}"
    if not here:
        return ""
    thing = here[0]
    if kind == "position":
        return f"{phrase(thing)} {PLACES[thing.place]}"
    if kind in ("size", "text"):
        return full_phrase(thing)
    return phrase(thing)


def _telling_all(scene: Scene, other: Scene, rng: np.random.Generator) -> Telling:
    told = telling(scene, rng)
    if "{ground}" not in told.form:
        told = replace(told, form=f"{told.form} on the {{ground}}")
    if "{first}" in told.form and len(scene.things) != len(other.things):
        told = replace(told, form=FORMS[0])
    changed = _changed_keys(scene, other)

    def keys_of(wanted: str) -> tuple[int, ...]:
        return tuple(key for kind, keys in changed if kind == wanted for key in keys)

    return told.also(
        sizes=frozenset(keys_of("size")),
        digits=frozenset(keys_of("text")),
        dusk=scene.look != other.look,
        places=keys_of("position"),
    )


def replaced(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """Another thing of its group, in its place and of its size; its colour one that trainings have
    seen on it, the old one half of the time where that can be."""
    key = _any_alone(scene, rng)
    return None if key is None else replaced_in_place(scene, rng, key)


def replaced_in_place(scene: Scene, rng: np.random.Generator, key: int) -> Scene:
    """The scene with another thing of its group in the place of the thing of that key."""
    old, present = scene[key], {thing.category for thing in scene.things}
    group = [c for c, g in CATEGORIES.items() if g == CATEGORIES[old.category] and c not in present]
    category = str(rng.choice(group or [c for c in CATEGORIES if c not in present]))
    keeps = (category, old.colour) not in HELD_OUT and rng.random() < 0.5
    colour = old.colour if keeps else seen_colour(rng, category)
    return scene.with_thing(key, category=category, colour=colour, digit="")


def recoloured(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """A thing in another colour that trainings have seen on it."""
    key = _any(scene, rng, lambda thing: len(scene.alike(thing.key)) == 1)
    if key is None:
        return None
    thing = scene[key]
    taken = {t.colour for t in scene.things if t.category == thing.category}
    left = [c for c in COLOURS if c not in taken and (thing.category, c) not in HELD_OUT]
    return scene.with_thing(key, colour=str(rng.choice(left)))


def added(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """One thing more, of a category that was not there, on free ground."""
    if len(scene.things) == MOST_THINGS:
        return None
    absent = [c for c in CATEGORIES if all(thing.category != c for thing in scene.things)]
    category = str(rng.choice(absent))
    half = float(np.median([thing.half for thing in scene.things]))
    new = Thing(
        max(scene.keys) + 1, category, seen_colour(rng, category), 0.0, 0.0, half,
        bool(rng.random() < 0.5),
    )  # fmt: skip
    return _with_another(scene, rng, new)


def removed(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """One thing less, if more than one is there."""
    key = _any_alone(scene, rng)
    return None if key is None or len(scene.things) == 1 else scene.without(key)


def counted(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """One more or one less of things that are alike; of a lone thing, one more."""
    key = _any(scene, rng, lambda thing: not scene.tied(thing.key) and not thing.digit)
    if key is None:
        return None
    number = len(scene.alike(key))
    if number > 1 and (number > 2 or rng.random() < 0.5):
        return scene.without(key)
    if len(scene.things) == MOST_THINGS:
        return None
    return _with_another(scene, rng, replace(scene[key], key=max(scene.keys) + 1))


def moved(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """A thing at another height and side, where both its places have a word."""
    key = _any_alone(scene, rng)
    if key is None:
        return None
    thing = scene[key]
    free = free_square(scene, rng, thing, own=key)
    if not thing.place or free is None:
        return None
    put = replace(thing, x=free[0], y=free[1])
    far = abs(put.x - thing.x) >= LEAST_ASIDE
    if not put.place or put.place == thing.place or not far:
        return None
    return from_back_to_front(scene.with_thing(key, x=put.x, y=put.y))


def resized(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """A thing of another size, standing where it stood."""
    key = _any_alone(scene, rng)
    if key is None:
        return None
    thing = scene[key]
    size = str(rng.choice([name for name in SIZES if name != thing.size]))
    half = float(rng.uniform(*SIZES[size]))
    y = thing.y + thing.half - half  # its square keeps its lower edge
    inside = half + 1 <= thing.x <= SIDE - half - 1 and y >= half + 1
    apart = all(
        max(abs(thing.x - other.x), abs(y - other.y)) >= half + other.half
        for other in scene.things
        if other.key != key
    )
    return scene.with_thing(key, half=half, y=y) if inside and apart and not thing.digit else None


def renumbered(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """Another digit on a thing that carries one, or a digit on one that could."""
    key = _any(scene, rng, lambda thing: bool(thing.digit) or can_carry(scene, thing.key))
    if key is None:
        return None
    digits = [digit for digit in DIGITS if digit != scene[key].digit]
    return scene.with_thing(key, digit=str(rng.choice(digits)))


def regrounded(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same things on another ground."""
    return replace(scene, ground=str(rng.choice([g for g in GROUNDS if g != scene.ground])))


def relooked(scene: Scene, rng: np.random.Generator) -> Scene:
    """By daylight, at dusk, or in outline alone."""
    return replace(scene, look=str(rng.choice([look for look in LOOKS if look != scene.look])))


CHANGES: dict[str, Change] = {
    "replace": replaced,
    "attribute": recoloured,
    "add": added,
    "remove": removed,
    "count": counted,
    "position": moved,
    "size": resized,
    "text": renumbered,
    "background": regrounded,
    "style": relooked,
}


def _any(scene: Scene, rng: np.random.Generator, able: Callable[[Thing], bool]) -> int | None:
    keys = [thing.key for thing in scene.things if able(thing)]
    return int(rng.choice(keys)) if keys else None


def _any_alone(scene: Scene, rng: np.random.Generator) -> int | None:
    """A thing that is tied to no other one, and the only one of its name."""
    return _any(scene, rng, lambda t: not scene.tied(t.key) and len(scene.alike(t.key)) == 1)


def _with_another(scene: Scene, rng: np.random.Generator, new: Thing) -> Scene | None:
    free = free_square(scene, rng, new)
    if free is None:
        return None
    things = (*scene.things, replace(new, x=free[0], y=free[1]))
    return from_back_to_front(replace(scene, things=things))
