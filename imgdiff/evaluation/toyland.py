"""The standard questions on rendered scenes of the test split, whose truth is known exactly."""

import numpy as np

from imgdiff import prompts
from imgdiff.evaluation import pairs
from imgdiff.evaluation.annotations import Annotated
from imgdiff.toyland.captions import phrase, scene_caption
from imgdiff.toyland.pairs import RenderedPair, replaced_pair
from imgdiff.toyland.scenes import draw, generator, sample_scene

YES_NO = {"yes": "yes", "no": "no"}


def annotated(count: int) -> list[Annotated]:
    """The first scenes of the test split."""
    found = []
    for k in range(count):
        rng = generator("test", k)
        scene = sample_scene(rng)
        names = tuple(dict.fromkeys(thing.category for thing in scene.objects))
        found.append(Annotated(f"scene-{k}", names, (scene_caption(scene, rng),)))
    return found


def pair_questions(count: int) -> list[pairs.Question]:
    """Two rendered images that differ in one thing, and of both: is that thing there, as it looks
    in the first, or in every other pair as it looks in the second?"""
    questions = []
    for k in range(count):
        pair = _pair(k)
        asked, truths = (pair.old, ("yes", "no")) if k % 2 == 0 else (pair.new, ("no", "yes"))
        text = prompts.EXISTS.format(thing=phrase(asked))
        questions += [
            pairs.Question(f"{k}-{side}", f"pair-{k}-{side}", text, YES_NO, truth, k)
            for side, truth in zip("ab", truths, strict=True)
        ]
    return questions


def load(name: str) -> np.ndarray:
    """The image of `scene-K`, `pair-K-a` or `pair-K-b`, [128, 128, 3] uint8 RGB."""
    kind, number, *side = name.split("-")
    if kind == "scene":
        return draw(sample_scene(generator("test", int(number)))).image
    return _pair(int(number)).images["ab".index(side[0])]


def _pair(number: int) -> RenderedPair:
    return replaced_pair(generator("test", 500_000 + number))
