"""What is said about scenes: whole-scene captions, phrases for parts, differences, yes/no
questions."""

import numpy as np

from imgdiff.toyland.scenes import Scene, SceneObject
from imgdiff.toyland.vocabulary import with_article

# {things} is "a red car and a blue mug"
SCENE_FORMS = (
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


def phrase(thing: SceneObject) -> str:
    """`a red car`."""
    return with_article(thing.name)


def nothing_but(scene: Scene) -> str:
    """`nothing but grass`, of a part of the scene without things."""
    return f"nothing but {scene.ground}"


def scene_caption(scene: Scene, rng: np.random.Generator) -> str:
    """One of several sentence forms, objects in random order: `a red car next to a blue mug on the
    sand`."""
    things = [phrase(scene.objects[k]) for k in rng.permutation(len(scene.objects))]
    if len(things) == 2 and rng.random() < 0.4:
        form = PAIR_FORMS[int(rng.integers(len(PAIR_FORMS)))]
        return form.format(first=things[0], second=things[1], ground=scene.ground)
    form = SCENE_FORMS[int(rng.integers(len(SCENE_FORMS)))]
    return form.format(things=join(things), ground=scene.ground)


def join(things: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(things[:-1]), things[-1]]))


def difference(left: str, right: str) -> str:
    """How the marked areas of two joined pictures differ, given a phrase for each."""
    if left == right:
        return f"Both images show {left}."
    return f"The left image shows {left}, while the right image shows {right}."
