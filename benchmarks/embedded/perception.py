"""How well the embedded CLIP, matcher and segmenter see rendered scenes; and the judge, who is to
see better than all of them."""

import time
from collections.abc import Sequence
from functools import cache

import numpy as np
from pydantic import BaseModel
from rich.progress import track
from segment_anything.utils.amg import rle_to_mask

from embedded.figures import Figure, mean, plain, roc_auc, share
from imgdiff.data import images
from imgdiff.models.families.blip import Blip
from imgdiff.models.families.clip import ClipTowers
from imgdiff.models.families.sam import SegmentAnything
from imgdiff.operator import Operator
from imgdiff.operators.difference_area.image_segment_mapper import ImageSegmentMapper
from imgdiff.recipe.check import check
from imgdiff.testing import make_row
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.judge import CELL, Judge, Seen, look
from imgdiff.toyland.scenes import SceneObject, draw, generator, sample_scene
from imgdiff.toyland.views import shaken
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, with_article

RECIPE = "recipes/replace.yaml"
BATCH = 64
FOUND = 0.75  # mask IoU from which an object counts as found
SPURIOUS = 0.5  # mask IoU below which a segment belongs to no object
LEAST_OVERLAP = 0.3  # mask IoU with what the judge saw from which a segment is taken for it


@cache
def recipe_params(operator: type[Operator]) -> BaseModel:
    """An operator's settings in `RECIPE`, with the defaults of those that it leaves out."""
    return next(op.params for op in check(RECIPE).operators if isinstance(op, operator))


@cache
def object_crops(count: int, unseen: bool = False) -> tuple[list[SceneObject], list[np.ndarray]]:
    """The first object of each test scene, and its shaken box cut out as operators do: a padded
    square, [H, H, 3] uint8 RGB.

    unseen: objects of (category, colour) combinations that no training scene has.
    """
    things, crops = [], []
    for k in range(count):
        rng = generator("test", k)
        scene = sample_scene(rng, held_out=unseen)
        picture = draw(scene)
        box = shaken(picture.boxes_xyxy[0], rng, by=0.06)
        things.append(scene.objects[0])
        crops.append(images.pad_to_square(images.crop(picture.image, box)))
    return things, crops


def judge_figures(judge: Judge, count: int) -> list[Figure]:
    """The share of test scenes, a fifth of them with an unseen combination, whose things the judge
    names exactly."""
    scenes = [sample_scene(generator("test", k), held_out=k % 5 == 0) for k in range(count)]
    seen = look(judge, [draw(scene).image for scene in scenes])
    right = [_names(things) == _names(s.objects) for things, s in zip(seen, scenes, strict=True)]
    meaning = "rendered scenes: the judge names every thing with its colour and no other"
    return [share("judge_scenes", meaning, right, at_least=0.99)]


def _names(things: Sequence[SceneObject] | Sequence[Seen]) -> list[str]:
    return sorted(thing.name for thing in things)


def clip_figures(clip: ClipTowers, count: int) -> list[Figure]:
    """Zero-shot recognition of crops: category among 16, and colour among 8 of the true
    category."""
    figures = []
    for unseen in (False, True):
        category, colour = recognised(clip, count, unseen)
        suffix, where = ("_unseen", "unseen combinations") if unseen else ("", "object crops")
        bar = {} if unseen else {"at_least": 0.97}
        figures += [
            share(f"clip_category{suffix}", f"{where}: CLIP picks the category", category, **bar),
            share(f"clip_colour{suffix}", f"{where}: CLIP picks the colour", colour, **bar),
        ]
    return figures


def recognised(clip: ClipTowers, count: int, unseen: bool = False) -> tuple[list[bool], list[bool]]:
    """Whether CLIP picks the category and the colour of each crop."""
    names, colours = list(CATEGORIES), list(COLOURS)
    nouns = clip.embed_texts([with_article(name) for name in names])  # [16, D]
    phrases = clip.embed_texts([with_article(f"{c} {name}") for name in names for c in colours])
    phrases = phrases.reshape(len(names), len(colours), -1)  # [16, 8, D]
    things, crops = object_crops(count, unseen)
    vectors = np.concatenate(
        [clip.embed_images(crops[k : k + BATCH]) for k in range(0, count, BATCH)]
    )
    cases = list(zip(things, vectors, strict=True))
    category = [names[int((nouns @ v).argmax())] == t.category for t, v in cases]
    colour = [
        colours[int((phrases[names.index(t.category)] @ v).argmax())] == t.colour for t, v in cases
    ]
    return category, colour


def matcher_figures(matcher: Blip, count: int) -> list[Figure]:
    """How well both heads tell crops with the right text from crops with a wrong one."""
    things, crops = object_crops(count)
    rng = np.random.default_rng(0)
    nouns, groups, colours = [], [], []  # wrong ones
    for thing in things:
        others = [name for name in CATEGORIES if name != thing.category]
        group = [name for name in others if CATEGORIES[name] == CATEGORIES[thing.category]]
        nouns.append(str(rng.choice(others)))
        groups.append(str(rng.choice(group)))
        colour = rng.choice([name for name in COLOURS if name != thing.colour])
        colours.append(with_article(f"{colour} {thing.category}"))
    right_noun = _match(matcher, crops, [thing.category for thing in things])
    right_phrase = _match(matcher, crops, [phrase(thing) for thing in things])
    figures = []
    for suffix, right, texts, against in (
        ("", right_noun, nouns, "the right noun against another one"),
        ("_group", right_noun, groups, "the right noun against one of its group"),
        ("_colour", right_phrase, colours, "the right phrase against one of another colour"),
    ):
        bar = {} if suffix else {"at_least": 0.99}
        wrong = _match(matcher, crops, texts)
        for k, head in enumerate(("itc", "itm")):
            name, meaning = f"matcher_{head}{suffix}", f"{head.upper()}, ROC AUC: {against}"
            figures.append(roc_auc(name, meaning, right[k], wrong[k], **bar))
    return figures


def _match(matcher: Blip, crops: list[np.ndarray], texts: list[str]) -> np.ndarray:
    """[2, N] float32, `itc` and `itm` of each crop with the text beside it."""
    starts = range(0, len(crops), BATCH)
    some = [matcher.match(crops[k : k + BATCH], texts[k : k + BATCH], itm=True) for k in starts]
    return np.concatenate([np.stack(scores) for scores in some], axis=1)


def segmenter_figures(segmenter: SegmentAnything, count: int) -> list[Figure]:
    """How well the segments that `image_segment_mapper` keeps cover the objects of test scenes."""
    best: list[float] = []  # one an object
    spurious: list[int] = []  # one a scene
    seconds = 0.0
    for k in track(range(count), "segments scenes", transient=True):
        picture = draw(sample_scene(generator("test", k)))
        started = time.perf_counter()
        masks = segments(segmenter, picture.image)
        seconds += time.perf_counter() - started
        overlaps = mask_iou(masks, picture.masks)
        best += overlaps.max(axis=0, initial=0).tolist()
        spurious.append(int((overlaps.max(axis=1) < SPURIOUS).sum()))
    return [
        mean("segmenter_iou", "mask IoU of an object and its best segment", best, at_least=0.85),
        share(
            "segmenter_recall",
            f"objects with a segment of mask IoU {FOUND} or more",
            [overlap >= FOUND for overlap in best],
            at_least=0.95,
        ),
        mean(
            "segmenter_spurious",
            f"segments of a scene with mask IoU below {SPURIOUS} with every object",
            spurious,
            at_most=3,
        ),
        plain("segmenter_seconds", "seconds for an image", seconds / count, count, at_most=0.5),
    ]


def segments(segmenter: SegmentAnything, image: np.ndarray) -> np.ndarray:
    """The masks [S, H, W] bool that `image_segment_mapper` keeps of an image, best first."""
    settings = recipe_params(ImageSegmentMapper).model_copy(update={"images": "a"})
    mapper = ImageSegmentMapper(settings)
    mapper.segmenter = segmenter
    row = make_row(image_a=images.encode_png(image))
    mapper.process([row])
    masks = [rle_to_mask(region.mask) for region in row.regions]
    return np.array(masks, bool).reshape(-1, *image.shape[:2])


def best_mask(masks: np.ndarray, cells: np.ndarray) -> np.ndarray | None:
    """The segment that covers what the judge saw.

    Args:
        masks: [S, 128, 128] bool.
        cells: [32, 32] bool, as in `imgdiff.toyland.judge.Seen`.

    Returns:
        The mask of the highest IoU, [128, 128] bool; None if that is below `LEAST_OVERLAP`.
    """
    wanted = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    overlaps = mask_iou(masks, wanted[None])[:, 0]
    return masks[overlaps.argmax()] if overlaps.max(initial=0) >= LEAST_OVERLAP else None


def mask_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[S, N] float32, intersection over union of every mask of [S, H, W] and of [N, H, W], bool."""
    shared = np.einsum("shw,nhw->sn", one.astype(np.float32), other.astype(np.float32))
    union = one.sum((1, 2))[:, None] + other.sum((1, 2)) - shared
    return shared / np.maximum(union, 1)
