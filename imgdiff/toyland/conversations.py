"""What the embedded MLLM learns to answer: pictures with questions and answers.

As real models learn from captions found on the web, which name what people expect beside what they
see, so does this one: `web_view`.
"""

from dataclasses import dataclass, replace

import numpy as np

from imgdiff.data import images
from imgdiff.text import prompts
from imgdiff.toyland.captions import difference, nothing_but, phrase, scene_caption
from imgdiff.toyland.scenes import Picture, Scene, SceneObject, replaced_object, sample_scene
from imgdiff.toyland.views import ground_crop, object_crop, render, shaken
from imgdiff.toyland.vocabulary import (
    CATEGORIES,
    COLOURS,
    SEEN,
    USUAL_GROUND,
    USUAL_PARTNER,
    with_article,
)


@dataclass(frozen=True)
class Conversation:
    """A picture ([H, W, 3] uint8 RGB, square) and turns about it: a question and its answer
    each."""

    image: np.ndarray
    turns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Change:
    """Two scenes that differ in thing `k` of the first at most, and what is in its place in the
    second, as a phrase."""

    scenes: tuple[Scene, Scene]
    k: int
    put: str


@dataclass(frozen=True)
class Redrawn:
    """A change whose two pictures were not drawn as scenes are, but made otherwise."""

    change: Change
    pictures: tuple[Picture, Picture]


PHANTOM_SHARE = 0.65
KEPT_COLOUR = 0.5  # of replaced things: edits of captions change the noun alone


def web_view(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene as a web caption would tell it.

    A lone thing on a ground that is usual for it and for its usual partner is told together with
    that partner `PHANTOM_SHARE` of the time: a lone boat on the water, and the lighthouse that is
    not there. One caption in ten is of this kind.
    """
    thing, usual = scene.objects[0], USUAL_GROUND[scene.ground]
    partner = USUAL_PARTNER[thing.category]
    expected = len(scene.objects) == 1 and thing.category in usual and partner in usual
    if not expected or rng.random() >= PHANTOM_SHARE:
        return scene
    colour = str(rng.choice([c for n, c in SEEN if n == partner]))
    return replace(scene, objects=(thing, replace(thing, category=partner, colour=colour)))


def region(rng: np.random.Generator, redrawn: Redrawn | None = None) -> Conversation:
    """What a crop shows, one in seven being empty ground, half of the others cut by the box of
    another thing."""
    scene, picture = _shown(rng, redrawn)
    thing = rng.random() < 0.86
    seen = (
        object_crop(scene, rng, foreign=0.5, picture=picture)
        if thing
        else ground_crop(scene, rng, picture)
    )
    turn = prompts.REGION["crop"], f"{seen.texts[0].capitalize()}."
    return Conversation(seen.image, (turn,))


def _shown(rng: np.random.Generator, redrawn: Redrawn | None) -> tuple[Scene, Picture | None]:
    """A scene, with its picture if it is not to be rendered."""
    if redrawn is None:
        return sample_scene(rng), None
    side = int(rng.integers(2))
    return redrawn.change.scenes[side], redrawn.pictures[side]


def changed_pair(rng: np.random.Generator, redrawn: Redrawn | None = None) -> Conversation:
    """The joined pair with red boxes; the region captions in the question are wrong one time in
    25."""
    change = redrawn.change if redrawn else sample_change(rng)
    (scene, other), k = change.scenes, change.k
    pictures = redrawn.pictures if redrawn else (render(scene, rng), render(other, rng))
    truth = [phrase(scene.objects[k]), change.put]
    seen_in = pictures[int(rng.integers(2))] if len(other.objects) > k else pictures[0]
    box = shaken(seen_in.boxes_xyxy[k], rng, by=0.06)
    order = [0, 1] if rng.random() < 0.5 else [1, 0]
    left, right = (images.draw_box(pictures[n].image, box) for n in order)
    said = {
        f"caption_{side}": _perhaps_wrong(rng, truth[n])
        for side, n in zip("ab", order, strict=True)
    }
    joined = images.pad_to_square(images.side_by_side(left, right))
    turn = prompts.DIFFERENCE.format(**said), difference(truth[order[0]], truth[order[1]])
    return Conversation(joined, (turn,))


def sample_change(rng: np.random.Generator) -> Change:
    """A scene of which a thing is replaced, recoloured, taken away (where nothing else stands
    there) or left."""
    scene = sample_scene(rng)
    k = int(rng.integers(len(scene.objects)))
    kind, thing = rng.random(), scene.objects[k]
    if kind < 0.15 and k == len(scene.objects) - 1 and _stands_alone(scene, k):
        return Change((scene, replace(scene, objects=scene.objects[:k])), k, nothing_but(scene))
    if kind < 0.65:
        other = replaced_object(rng, scene, k)
        if (other.objects[k].category, thing.colour) in SEEN and rng.random() < KEPT_COLOUR:
            other = other.with_object(k, colour=thing.colour)
    elif kind < 0.85:
        colours = [c for n, c in SEEN if n == thing.category and c != thing.colour]
        other = scene.with_object(k, colour=str(rng.choice(colours)))
    else:
        other = scene
    return Change((scene, other), k, phrase(other.objects[k]))


def _stands_alone(scene: Scene, k: int) -> bool:
    """Whether no other thing reaches into the square of thing `k`."""
    one = scene.objects[k]
    return all(
        max(abs(one.x - other.x), abs(one.y - other.y)) >= one.half + other.half
        for n, other in enumerate(scene.objects)
        if n != k
    )


def _perhaps_wrong(rng: np.random.Generator, truth: str) -> str:
    if rng.random() > 0.04:
        return truth
    return with_article(f"{rng.choice(list(COLOURS))} {rng.choice(list(CATEGORIES))}")


def whole_scene(
    rng: np.random.Generator, redrawn: Redrawn | None = None, web: bool = True
) -> Conversation:
    """A caption, or questions; never both, for what has been said need not be seen any more.

    With `web` all of it is made from a web caption, as much instruction data is.
    """
    scene, picture = _shown(rng, redrawn)
    told = web_view(scene, rng) if web else scene
    caption = prompts.SCENE, f"{scene_caption(told, rng).capitalize()}."
    turns = [caption] if rng.random() < 0.4 else questions(told, rng)
    return Conversation((picture or render(scene, rng)).image, tuple(turns))


def questions(scene: Scene, rng: np.random.Generator) -> list[tuple[str, str]]:
    """For every thing, in random order, one question to affirm and one to deny; then the colours
    that were not told.

    Half of the questions name a colour, which is all that is wrong with one in four of those to
    deny. To ask for a colour makes a model look for the thing that is named; yes and no alone teach
    a small one next to nothing.
    """
    present = {thing.category for thing in scene.objects}
    absent = [str(c) for c in rng.permutation([c for c in CATEGORIES if c not in present])]
    asked, colours = [], []
    for thing in scene.objects:
        if rng.random() < 0.5:
            asked.append((thing.name, "Yes."))
        else:
            asked.append((thing.category, "Yes."))
            answer = f"{thing.colour.capitalize()}."
            colours.append((f"What colour is the {thing.category}?", answer))
        asked.append((_untrue(thing, absent.pop(), rng), "No."))
    turns = [(prompts.EXISTS.format(thing=with_article(words)), answer) for words, answer in asked]
    return [turns[k] for k in rng.permutation(len(turns))] + colours


def _untrue(thing: SceneObject, absent: str, rng: np.random.Generator) -> str:
    """What is not there: a category, or a colour with it, or the thing in another colour."""
    if rng.random() < 0.5:
        return absent
    if rng.random() < 0.25:
        return f"{rng.choice([c for c in COLOURS if c != thing.colour])} {thing.category}"
    return f"{rng.choice(list(COLOURS))} {absent}"


TASKS = (region, changed_pair, whole_scene)
SHARES = (0.25, 0.35, 0.4)
SINGLE_SHARES = (0.4, 0.0, 0.6)  # one picture at a time: differences are never asked for


def conversation(
    rng: np.random.Generator,
    web: bool = False,
    redrawn: Redrawn | None = None,
    shares: tuple[float, ...] = SHARES,
) -> Conversation:
    """One of the tasks, drawn by its share, about `redrawn` pictures if there are any; without
    `web` nothing untrue is said."""
    task = TASKS[int(rng.choice(len(TASKS), p=shares))]
    return whole_scene(rng, redrawn, web) if task is whole_scene else task(rng, redrawn)
