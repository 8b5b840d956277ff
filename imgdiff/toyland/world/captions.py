"""What is said about scenes: captions of one to three sentences, phrases for parts, differences.

A caption is told in two steps. A `Telling` says what is told of which things, and in which form; it
is drawn at random for one scene. Its `words` put it into words for that scene, or for a changed
one, so that the captions of a pair differ in nothing but what changed.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from imgdiff.toyland.world.scenes import LEAST_ASIDE, Scene, Thing
from imgdiff.toyland.world.vocabulary import NUMBERS, category_plural, with_article

# {things} is "a red car and a blue mug"
FORMS = (
    "{things} on the {ground}",
    "a photo of {things} on the {ground}",
    "there is {things} on the {ground}",
    "a picture with {things} on the {ground}",
    "a drawing of {things}, on the {ground}",
)
PAIR_FORMS = (
    "{first} next to {second} on the {ground}",
    "{first} beside {second}, on the {ground}",
)
TIED_FORMS = ("{first} {relation} {second}", "there is {first} {relation} {second}")
OUTLINE_FORMS = (
    "an outline drawing of {things} on the {ground}",
    "{things} on the {ground}, in outline",
)
RELATIONS = {
    "left": "to the left of",
    "right": "to the right of",
    "behind": "behind",
    "front": "in front of",
    "on": "on",
}
PLACES = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
DUSK = (", at dusk", ". It is dusk")
SIZE_TOLD, DIGIT_TOLD, DUSK_TOLD = 0.6, 0.7, 0.9  # of what could be told, how often it is
MORE_SENTENCES = 0.35  # of captions have a second one; as many of these a third
MOST_MORE = 2  # sentences after the first
PAIR_SHARE, TIED_SHARE, OUTLINE_SHARE = 0.3, 0.5, 0.9  # of captions that could have such a form


@dataclass(frozen=True)
class Telling:
    """What a caption tells.

    form: with `{things}`, or with `{first}`, `{second}` and perhaps `{relation}`. order: keys of
    the things, as they are named; new things of a changed scene come last. sizes, digits: keys of
    which these are named. dusk: how dusk is told, or nothing. sentences: what else is told, each
    `("place", key)`, `("digit", key)` or `("relation", key, key)`.
    """

    form: str
    order: tuple[int, ...]
    sizes: frozenset[int] = frozenset()
    digits: frozenset[int] = frozenset()
    dusk: str = ""
    sentences: tuple[tuple[str, *tuple[int, ...]], ...] = field(default=())

    def also(
        self,
        sizes: frozenset[int] = frozenset(),
        digits: frozenset[int] = frozenset(),
        dusk: bool = False,
        places: tuple[int, ...] = (),
    ) -> "Telling":
        """The same, and what must not be left out."""
        new = tuple(("place", key) for key in places if ("place", key) not in self.sentences)
        return replace(
            self,
            sizes=self.sizes | sizes,
            digits=self.digits | digits,
            dusk=self.dusk or (DUSK[0] if dusk else ""),
            sentences=(*self.sentences, *new)[-MOST_MORE:],
        )

    def words(self, scene: Scene) -> str:
        """The caption of a scene, beginning with a small letter and without a last full stop."""
        keys = [key for key in self.order if key in scene.keys]
        keys += [key for key in scene.keys if key not in self.order]
        relation = _relation(scene, *keys) if len(keys) == 2 else ""
        form = self.form
        if ("outline" in form) != (scene.look == "outline"):
            form = OUTLINE_FORMS[0] if scene.look == "outline" else FORMS[0]
        elif "{first}" in form and not relation:
            form = FORMS[0]
        named = self._named(scene, keys)
        text = form.format(
            things=join(named),
            first=named[0],
            second=named[-1],
            relation=RELATIONS.get(relation, ""),
            ground=scene.ground,
        )
        if scene.look == "dusk":
            text += self.dusk
        more = [self._sentence(scene, *what) for what in self.sentences]
        return ". ".join([text, *filter(None, more)])

    def _named(self, scene: Scene, keys: list[int]) -> list[str]:
        """A phrase for each group of things that are alike, in the order of their first."""
        named: list[str] = []
        done: set[int] = set()
        for key in keys:
            if key not in done:
                alike = scene.alike(key)
                done.update(alike)
                named.append(self._phrase(scene, key, len(alike)))
        return named

    def _phrase(self, scene: Scene, key: int, number: int) -> str:
        thing = scene[key]
        size = thing.size if key in self.sizes else ""
        if number > 1:
            look = f"{size} {thing.colour}".strip()
            return f"{NUMBERS[number]} {look} {category_plural(thing.category)}"
        digit = _carrying(thing) if key in self.digits else ""
        return with_article(f"{size} {thing.name}".strip()) + digit

    def _sentence(self, scene: Scene, kind: str, *keys: int) -> str:
        """A sentence, or nothing where it is not true or not clear of the scene."""
        if any(key not in scene.keys or not _clear(scene, key) for key in keys):
            return ""
        thing = scene[keys[0]]
        if kind == "place":
            return f"The {thing.category} is {PLACES[thing.place]}" if thing.place else ""
        if kind == "digit":
            return f"The {thing.category} has the number {thing.digit}" if thing.digit else ""
        relation = _relation(scene, *keys)
        if not relation:
            return ""
        return f"The {thing.category} is {RELATIONS[relation]} the {scene[keys[1]].category}"


def telling(scene: Scene, rng: np.random.Generator, sentences: int | None = None) -> Telling:
    """What to tell of a scene, at random; in so many sentences at most, by default one to three."""
    order = tuple(int(key) for key in rng.permutation(scene.keys))
    form = FORMS[int(rng.integers(len(FORMS)))]
    pair = len(order) == 2 and len(scene.alike(order[0])) == 1
    if scene.look == "outline" and rng.random() < OUTLINE_SHARE:
        form = OUTLINE_FORMS[int(rng.integers(len(OUTLINE_FORMS)))]
    elif pair and rng.random() < TIED_SHARE:
        form = TIED_FORMS[int(rng.integers(len(TIED_FORMS)))]
        if not scene.tied(order[0]):
            form += " on the {ground}"
    elif pair and rng.random() < PAIR_SHARE:
        form = PAIR_FORMS[int(rng.integers(len(PAIR_FORMS)))]
    dusk = DUSK[int(rng.integers(len(DUSK)))] if rng.random() < DUSK_TOLD else ""
    told = Telling(
        form,
        order,
        sizes=frozenset(k for k in order if rng.random() < SIZE_TOLD),
        digits=frozenset(k for k in order if rng.random() < DIGIT_TOLD),
        dusk=dusk,
    )
    wanted = 1 + int(rng.random() < MORE_SENTENCES) * (1 + int(rng.random() < MORE_SENTENCES))
    wanted = wanted if sentences is None else min(wanted, sentences)
    possible = _possible_sentences(scene, told)
    chosen = rng.permutation(len(possible))[: wanted - 1]
    return replace(told, sentences=tuple(possible[int(k)] for k in chosen))


def scene_caption(scene: Scene, rng: np.random.Generator, sentences: int | None = None) -> str:
    """`a red car to the left of a small blue mug on the sand. The mug is in the middle`."""
    return telling(scene, rng, sentences).words(scene)


def phrase(thing: Thing) -> str:
    """`a red car`."""
    return with_article(thing.name)


def phrase_with_digit(thing: Thing) -> str:
    """`a red car with the number 7`: all that a crop shows of a thing."""
    return phrase(thing) + _carrying(thing)


def full_phrase(thing: Thing) -> str:
    """`a small red car with the number 7`: all that can be said of a thing alone."""
    return with_article(f"{thing.size} {thing.name}".strip()) + _carrying(thing)


def nothing_but(scene: Scene) -> str:
    """`nothing but grass`, of a part of the scene without things."""
    return f"nothing but {scene.ground}"


def join(things: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(things[:-1]), things[-1]]))


def difference(left: str, right: str) -> str:
    """How the marked areas of two pictures differ, given a phrase for each."""
    if left == right:
        return f"Both images show {left}."
    return f"The left image shows {left}, while the right image shows {right}."


def _carrying(thing: Thing) -> str:
    return f" with the number {thing.digit}" if thing.digit else ""


def _relation(scene: Scene, key: int, other: int) -> str:
    """How one thing stands to another one: a key of RELATIONS, or nothing."""
    for tie in scene.ties:
        if (tie.thing, tie.other) == (key, other):
            return tie.kind
        if (tie.other, tie.thing) == (key, other):
            return "front" if tie.kind == "behind" else ""
    aside = scene[other].x - scene[key].x
    if abs(aside) < LEAST_ASIDE:
        return ""
    return "left" if aside > 0 else "right"


def _clear(scene: Scene, key: int) -> bool:
    """Whether `the car` can be one thing alone."""
    return sum(thing.category == scene[key].category for thing in scene.things) == 1


def _possible_sentences(scene: Scene, told: Telling) -> list[tuple[str, *tuple[int, ...]]]:
    """What is true, clear and not told by the form."""
    keys = [key for key in told.order if _clear(scene, key)]
    possible: list[tuple[str, *tuple[int, ...]]] = []
    if "{relation}" not in told.form:
        possible += [
            ("relation", a, b) for a in keys for b in keys if a != b and _relation(scene, a, b)
        ]
    possible += [("place", key) for key in keys if scene[key].place]
    possible += [("digit", k) for k in keys if scene[k].digit and k not in told.digits]
    return possible
