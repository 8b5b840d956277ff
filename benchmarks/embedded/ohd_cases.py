"""What a CLIP makes of captions that are almost right: edited ones, and ones of the same length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imgdiff.models.families.clip import ClipTowers
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.negatives import negatives
from imgdiff.text.objects import ObjectStatistics
from imgdiff.toyland.captions import phrase, scene_caption
from imgdiff.toyland.scenes import Scene, draw, generator, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, SEEN, with_article

BATCH = 256  # texts
SWAPS = 3  # of an object's category, and as many of its colour


@dataclass(frozen=True)
class Case:
    """A test scene's picture [128, 128, 3] uint8 RGB, its caption, and wrong captions, all
    distinct.

    edited: as `object_negatives_mapper` writes them. swapped: one word for another.
    """

    image: np.ndarray
    caption: str
    edited: tuple[str, ...]
    swapped: tuple[str, ...]


def cases(count: int) -> list[Case]:
    """Test scenes of two and three objects, in turn."""
    rngs = [generator("test", k) for k in range(count)]
    scenes = [sample_scene(rng, 2 + k % 2) for k, rng in enumerate(rngs)]
    lexicon = load_lexicon("toyland")
    shown = [[thing.category for thing in scene.objects] for scene in scenes]
    statistics = ObjectStatistics.count(shown, lexicon)
    made = []
    for scene, objects, rng in zip(scenes, shown, rngs, strict=True):
        caption = scene_caption(scene, rng)
        edited = [n.caption for n in negatives(caption, objects, statistics, lexicon, rng)]
        swapped = tuple(swaps(scene, caption, rng))
        made.append(Case(draw(scene).image, caption, tuple(edited), swapped))
    return made


def swaps(scene: Scene, caption: str, rng: np.random.Generator) -> Iterator[str]:
    """The caption with one category or one colour exchanged for one that the scene lacks: as many
    words, and a (category, colour) that training scenes have, so that no text is odd by itself."""
    absent = [c for c in CATEGORIES if c not in {thing.category for thing in scene.objects}]
    unused = [c for c in COLOURS if c not in {thing.colour for thing in scene.objects}]
    for thing in scene.objects:
        others = [(category, thing.colour) for category in absent]
        looks = [(thing.category, colour) for colour in unused]
        for choices in (others, looks):
            usual = [choice for choice in choices if choice in SEEN]
            for k in rng.permutation(len(usual))[:SWAPS]:
                category, colour = usual[k]
                yield caption.replace(phrase(thing), with_article(f"{colour} {category}"))


def embedded(clip: ClipTowers, texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Text -> its unit vector, each encoded once, beside others of its length."""
    distinct = sorted(set(texts), key=len)
    parts = [clip.embed_texts(distinct[k : k + BATCH]) for k in range(0, len(distinct), BATCH)]
    return dict(zip(distinct, np.concatenate(parts), strict=True))


def picked(
    images: np.ndarray,
    own: Sequence[str],
    wrong: Sequence[Sequence[str]],
    vectors: dict[str, np.ndarray],
) -> np.ndarray:
    """[N] bool: an image's own caption is nearer to it than every wrong one; a tie is a miss.

    images: [N, D] unit vectors. vectors: of all captions.
    """
    return np.array(
        [
            vectors[caption] @ image > max(vectors[text] @ image for text in others)
            for image, caption, others in zip(images, own, wrong, strict=True)
        ]
    )


def chance(wrong: Sequence[Sequence[str]]) -> float:
    """The share of hits of a blind choice."""
    return float(np.mean([1 / (1 + len(some)) for some in wrong]))
