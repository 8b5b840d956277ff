"""Rendered image pairs whose difference is known exactly."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import Scene, SceneObject, draw, replaced_object, sample_scene
from imgdiff.toyland.vocabulary import COLOURS, with_article


@dataclass(frozen=True)
class RenderedPair:
    """Two drawn scenes, captions that claim a change, and what really changed.

    images: two [128, 128, 3] uint8 RGB. kind: what happened to `old` in B. For `unchanged` the
    captions claim a replacement that the images do not show, and new equals old. boxes_xyxy: the
    object's in A and in B, pixels.
    """

    images: tuple[np.ndarray, np.ndarray]
    caption_a: str
    caption_b: str
    kind: Literal["replaced", "recoloured", "unchanged"]
    old: SceneObject
    new: SceneObject
    boxes_xyxy: tuple[np.ndarray, np.ndarray]


def replaced_pair(rng: np.random.Generator) -> RenderedPair:
    """One object gave way to another one of its group."""
    scene, k, caption = _scene(rng)
    other = replaced_object(rng, scene, k)
    return _pair(scene, other, k, caption, other.objects[k].name, "replaced")


def recoloured_pair(rng: np.random.Generator) -> RenderedPair:
    """One object has another colour."""
    scene, k, caption = _scene(rng)
    colour = str(rng.choice([c for c in COLOURS if c != scene.objects[k].colour]))
    other = scene.with_object(k, colour=colour)
    return _pair(scene, other, k, caption, other.objects[k].name, "recoloured")


def unchanged_pair(rng: np.random.Generator) -> RenderedPair:
    """The same scene twice, though the captions claim a replacement."""
    scene, k, caption = _scene(rng)
    return _pair(
        scene, scene, k, caption, replaced_object(rng, scene, k).objects[k].name, "unchanged"
    )


def _scene(rng: np.random.Generator) -> tuple[Scene, int, str]:
    scene = sample_scene(rng)
    return scene, int(rng.integers(len(scene.objects))), scene_caption(scene, rng)


def _pair(
    scene: Scene,
    other: Scene,
    k: int,
    caption: str,
    new_name: str,
    kind: Literal["replaced", "recoloured", "unchanged"],
) -> RenderedPair:
    old = scene.objects[k]
    edited = caption.replace(with_article(old.name), with_article(new_name), 1)
    pictures = draw(scene), draw(other)
    return RenderedPair(
        images=(pictures[0].image, pictures[1].image),
        caption_a=caption,
        caption_b=edited,
        kind=kind,
        old=old,
        new=other.objects[k],
        boxes_xyxy=(pictures[0].boxes_xyxy[k], pictures[1].boxes_xyxy[k]),
    )
