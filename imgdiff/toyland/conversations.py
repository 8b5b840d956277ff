"""What the embedded MLLM learns to answer: pictures with one question and one answer each."""

from dataclasses import dataclass

import numpy as np

from imgdiff import images, prompts
from imgdiff.toyland.captions import difference, phrase, scene_caption
from imgdiff.toyland.scenes import Scene, draw, replaced_object, sample_scene
from imgdiff.toyland.views import ground_crop, object_crop, shaken
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, SEEN, with_article


@dataclass(frozen=True)
class Turn:
    """A picture ([H, W, 3] uint8 RGB, square), a question about it and the true answer."""

    image: np.ndarray
    question: str
    answer: str


def region(rng: np.random.Generator) -> Turn:
    """What a crop shows, one in seven being empty ground."""
    scene = sample_scene(rng)
    seen = object_crop(scene, rng) if rng.random() < 0.86 else ground_crop(scene, rng)
    return Turn(seen.image, prompts.REGION["crop"], f"{seen.text.capitalize()}.")


def changed_pair(rng: np.random.Generator) -> Turn:
    """The joined pair with red boxes; the region captions in the question are wrong one time in
    seven."""
    scene = sample_scene(rng)
    k = int(rng.integers(len(scene.objects)))
    other = _changed(rng, scene, k)
    pictures = [draw(scene), draw(other)]
    truth = [phrase(scene.objects[k]), phrase(other.objects[k])]
    box = shaken(pictures[int(rng.integers(2))].boxes_xyxy[k], rng, by=0.06)
    order = [0, 1] if rng.random() < 0.5 else [1, 0]
    left, right = (images.draw_box(pictures[n].image, box) for n in order)
    said = {
        f"caption_{side}": _perhaps_wrong(rng, truth[n])
        for side, n in zip("ab", order, strict=True)
    }
    joined = images.pad_to_square(images.join(left, right))
    return Turn(
        joined, prompts.DIFFERENCE.format(**said), difference(truth[order[0]], truth[order[1]])
    )


def _changed(rng: np.random.Generator, scene: Scene, k: int) -> Scene:
    kind = rng.random()
    if kind < 0.65:
        return replaced_object(rng, scene, k)
    if kind < 0.85:
        category = scene.objects[k].category
        colours = [c for n, c in SEEN if n == category and c != scene.objects[k].colour]
        return scene.with_object(k, colour=str(rng.choice(colours)))
    return scene


def _perhaps_wrong(rng: np.random.Generator, truth: str) -> str:
    if rng.random() > 0.15:
        return truth
    return with_article(f"{rng.choice(list(COLOURS))} {rng.choice(list(CATEGORIES))}")


def whole_scene(rng: np.random.Generator) -> Turn:
    scene = sample_scene(rng)
    return Turn(draw(scene).image, prompts.SCENE, f"{scene_caption(scene, rng).capitalize()}.")


def exists(rng: np.random.Generator) -> Turn:
    """Whether a thing is there: half the answers are yes; half the questions name a colour."""
    scene = sample_scene(rng)
    thing = scene.objects[int(rng.integers(len(scene.objects)))]
    present = {o.category for o in scene.objects}
    yes, coloured = rng.random() < 0.5, rng.random() < 0.5
    category, colour = thing.category, thing.colour
    if not yes:
        category = str(rng.choice([c for c in CATEGORIES if c not in present]))
        colour = str(rng.choice(list(COLOURS)))
    words = f"{colour} {category}" if coloured else category
    question = prompts.EXISTS.format(thing=with_article(words))
    return Turn(draw(scene).image, question, "Yes." if yes else "No.")


TASKS = (region, changed_pair, whole_scene, exists)
SHARES = (0.4, 0.3, 0.12, 0.18)


def turn(rng: np.random.Generator) -> Turn:
    return TASKS[int(rng.choice(len(TASKS), p=SHARES))](rng)
