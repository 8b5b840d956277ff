"""The standard questions on rendered scenes of the test split, whose truth is known exactly."""

from functools import partial

import numpy as np

from imgdiff.evaluation import ohd, pairs, zero_shot
from imgdiff.evaluation.annotations import Annotated
from imgdiff.text import prompts
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.negatives import negatives
from imgdiff.text.objects import ObjectStatistics
from imgdiff.toyland.captions import phrase, scene_caption
from imgdiff.toyland.pairs import RenderedPair, replaced_pair
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.views import object_crop
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, with_article

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


def pair_questions(count: int) -> list[pairs.PairQuestion]:
    """Two rendered images that differ in one thing, and of both: is that thing there, as it looks
    in the first, or in every other pair as it looks in the second?"""
    questions = []
    for k in range(count):
        pair = _pair(k)
        asked, truths = (pair.old, ("yes", "no")) if k % 2 == 0 else (pair.new, ("no", "yes"))
        text = prompts.EXISTS.format(thing=phrase(asked))
        questions += [
            pairs.PairQuestion(f"{k}-{side}", f"pair-{k}-{side}", text, YES_NO, truth, k)
            for side, truth in zip("ab", truths, strict=True)
        ]
    return questions


def ohd_items(count: int) -> list[ohd.Item]:
    """The first scenes of the test split with 27 negatives each, by rules; objects are counted over
    these scenes."""
    shown, lexicon = annotated(count), load_lexicon("toyland")
    statistics = ObjectStatistics.count((each.objects for each in shown), lexicon)
    items = []
    for k, each in enumerate(shown):
        (caption,), rng = each.captions, generator("test", 1_000_000 + k)
        found = negatives(caption, each.objects, statistics, lexicon, rng)
        captions = (caption, *(negative.caption for negative in found))
        families = tuple(negative.family for negative in found)
        items.append(ohd.Item(partial(load_picture, each.image), captions, families))
    return items


def thing_crops(count: int) -> zero_shot.Classes:
    """Crops of single things from scenes of the test split; a category's prompts name it alone and
    in every colour."""
    names = tuple(CATEGORIES)
    prompts = tuple(
        tuple(with_article(f"{colour} {name}".strip()) for colour in ("", *COLOURS))
        for name in names
    )
    images = []
    for k in range(count):
        scene = sample_scene(generator("test", 2_000_000 + k))
        label = names.index(scene.objects[0].category)
        images.append(zero_shot.Labelled(partial(_crop, k), label))
    return zero_shot.Classes(names, prompts, tuple(images))


def _crop(number: int) -> np.ndarray:
    rng = generator("test", 2_000_000 + number)
    return object_crop(sample_scene(rng), rng, k=0).image


def load_picture(name: str) -> np.ndarray:
    """The image of `scene-K`, `pair-K-a` or `pair-K-b`, [128, 128, 3] uint8 RGB."""
    kind, number, *side = name.split("-")
    if kind == "scene":
        return draw(sample_scene(generator("test", int(number)))).image
    return _pair(int(number)).images["ab".index(side[0])]


def _pair(number: int) -> RenderedPair:
    return replaced_pair(generator("test", 500_000 + number))
