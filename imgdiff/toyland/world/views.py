"""What perception models see of a scene: whole, cut to a box, or joined with another one; with
patch labels. Half of the scenes are softened, because generated pictures are softer than drawn
ones."""

from dataclasses import replace

import numpy as np

from imgdiff.data import images
from imgdiff.toyland.views import FOREIGN_COVER, View, shaken, softened
from imgdiff.toyland.world.captions import nothing_but, phrase, phrase_with_digit, scene_caption
from imgdiff.toyland.world.changes import replaced_in_place
from imgdiff.toyland.world.sampling import WORLD, Mix, sample_scene
from imgdiff.toyland.world.scenes import SIDE, Picture, Scene, draw
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS, with_article

CATEGORY_INDEX = {name: k + 1 for k, name in enumerate(CATEGORIES)}  # 0 is the ground
COLOUR_INDEX = {name: k + 1 for k, name in enumerate(COLOURS)}
MOST_COVERED = 0.04  # of a crop of empty ground, by things


def render(scene: Scene, rng: np.random.Generator) -> Picture:
    """The scene as drawn, or softened half of the time."""
    picture = draw(scene)
    return replace(picture, image=softened(picture.image, rng)) if rng.random() < 0.5 else picture


def label_map(scene: Scene, picture: Picture) -> np.ndarray:
    """[128, 128, 2] uint8: category and colour numbers of the visible thing, 0 for the ground."""
    labels = np.zeros((SIDE, SIDE, 2), np.uint8)
    for thing, mask in zip(scene.things, picture.masks, strict=True):
        labels[mask] = CATEGORY_INDEX[thing.category], COLOUR_INDEX[thing.colour]
    return labels


def whole(scene: Scene, rng: np.random.Generator) -> View:
    """The scene with a caption."""
    picture = render(scene, rng)
    return View(picture.image, (scene_caption(scene, rng),), label_map(scene, picture))


def joined(rng: np.random.Generator) -> View:
    """Two scenes side by side on a square, as difference captions show them; no texts."""
    left, right = (whole(sample_scene(rng), rng) for _ in range(2))
    picture = images.pad_to_square(images.side_by_side(left.image, right.image))
    bar = picture.shape[1] - left.labels.shape[1] - right.labels.shape[1]
    gap = np.zeros((left.labels.shape[0], bar, 2), np.uint8)
    labels = np.concatenate([left.labels, gap, right.labels], axis=1)
    return View(picture, (), images.pad_to_square(labels, fill=0))


def thing_crop(
    scene: Scene,
    rng: np.random.Generator,
    k: int | None = None,
    foreign: float = 0.0,
    picture: Picture | None = None,
) -> View:
    """One thing cut out by a shaken box: `a red car with the number 7`, `a red car`, `a car`.

    Args:
        k: its place among the scene's things; by default any.
        foreign: share of crops whose box is that of another thing in its place, for the boxes of a
            pair are found in either image; no less than FOREIGN_COVER of the thing is in it.
        picture: of the scene, if it is not to be rendered.
    """
    picture = picture or render(scene, rng)
    k = int(rng.integers(len(scene.things))) if k is None else k
    thing, box = scene.things[k], shaken(picture.boxes_xyxy[k], rng)
    if rng.random() < foreign:
        swapped = replaced_in_place(scene, rng, thing.key)
        other = shaken(draw(swapped).boxes_xyxy[k], rng)
        mask = picture.masks[k]
        if images.crop(mask, other).sum() >= FOREIGN_COVER * mask.sum():
            box = other
    labels = images.pad_to_square(images.crop(label_map(scene, picture), box), fill=0)
    texts = (phrase_with_digit(thing), phrase(thing), with_article(thing.category))
    cut = images.pad_to_square(images.crop(picture.image, box))
    return View(cut, tuple(dict.fromkeys(texts)), labels)


def ground_crop(scene: Scene, rng: np.random.Generator, picture: Picture | None = None) -> View:
    """A box with nothing in it: `nothing but grass`."""
    picture = picture or render(scene, rng)
    labels = label_map(scene, picture)
    while True:
        wide, high = rng.uniform(20, 56, 2)
        left, top = rng.uniform(0, SIDE - wide), rng.uniform(0, SIDE - high)
        box = np.array([left, top, left + wide, top + high])
        inside = images.crop(labels, box)
        if (inside[..., 0] > 0).mean() < MOST_COVERED:
            image = images.pad_to_square(images.crop(picture.image, box))
            return View(image, (nothing_but(scene),), images.pad_to_square(inside, fill=0))


def view(rng: np.random.Generator, mix: Mix = WORLD) -> View:
    """A whole scene (45 %), a thing's crop (43 %) or empty ground (12 %)."""
    scene = sample_scene(rng, mix)
    kind = rng.random()
    if kind < 0.45:
        return whole(scene, rng)
    return thing_crop(scene, rng) if kind < 0.88 else ground_crop(scene, rng)
