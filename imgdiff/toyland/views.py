"""What perception models see of a scene: whole, cut to a box, or joined with another one; with
patch labels. Half of the scenes are softened, because generated pictures are softer than drawn
ones."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imgdiff.data import images
from imgdiff.toyland.captions import nothing_but, phrase, scene_caption
from imgdiff.toyland.scenes import SIZE, Picture, Scene, draw, replaced_object, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, with_article

CATEGORY_INDEX = {name: k + 1 for k, name in enumerate(CATEGORIES)}  # 0 is the ground
COLOUR_INDEX = {name: k + 1 for k, name in enumerate(COLOURS)}
FOREIGN_COVER = 0.4  # of an object that the box of another one must show


@dataclass(frozen=True)
class View:
    """A picture, what is rightly said about it, and for every pixel what stands there.

    image: [H, W, 3] uint8 RGB. texts: the fullest one first; none for joined scenes. labels: [H, W,
    2] uint8, category and colour numbers, 0 for the ground.
    """

    image: np.ndarray
    texts: tuple[str, ...]
    labels: np.ndarray

    def resized(self, side: int) -> np.ndarray:
        return cv2.resize(
            self.image,
            (side, side),
            interpolation=cv2.INTER_AREA if side < len(self.image) else cv2.INTER_LINEAR,
        )

    def patch_labels(self, grid: int) -> np.ndarray:
        """[grid, grid, 2] int64: the thing that fills most of a patch, if it fills two fifths of
        it."""
        codes = self.labels[..., 0].astype(np.int64) * 256 + self.labels[..., 1]
        best, result = np.full((grid, grid), 0.4), np.zeros((grid, grid, 2), np.int64)
        for code in np.unique(codes[codes > 0]):
            share = cv2.resize(
                (codes == code).astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA
            )
            won = share > best
            result[won], best[won] = (code // 256, code % 256), share[won]
        return result


def render(scene: Scene, rng: np.random.Generator) -> Picture:
    """The scene as drawn, or softened half of the time."""
    picture = draw(scene)
    return replace(picture, image=softened(picture.image, rng)) if rng.random() < 0.5 else picture


def softened(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture [H, W, 3] uint8 as a decoder might give it back: blurred, a little noisy, colours
    slightly off."""
    blurred = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.5))).astype(np.float32)
    colours = blurred * rng.uniform(0.92, 1.06, 3) + rng.uniform(-8, 8)
    coarse = rng.normal(0, rng.uniform(0, 6), (image.shape[0] // 4, image.shape[1] // 4, 3))
    noise = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(colours + noise, 0, 255).astype(np.uint8)


def label_map(scene: Scene, picture: Picture) -> np.ndarray:
    """[128, 128, 2] uint8: category and colour numbers of the visible object, 0 for the ground."""
    labels = np.zeros((SIZE, SIZE, 2), np.uint8)
    for thing, mask in zip(scene.objects, picture.masks, strict=True):
        labels[mask] = CATEGORY_INDEX[thing.category], COLOUR_INDEX[thing.colour]
    return labels


def whole(scene: Scene, rng: np.random.Generator) -> View:
    """The scene with a caption."""
    picture = render(scene, rng)
    return View(picture.image, (scene_caption(scene, rng),), label_map(scene, picture))


def shaken(box_xyxy: np.ndarray, rng: np.random.Generator, by: float = 0.12) -> np.ndarray:
    """A box whose edges moved by up to a share of its size, as a segmenter's would."""
    wide, high = box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]
    return box_xyxy + rng.uniform(-by, by, 4) * np.array([wide, high, wide, high])


def object_crop(
    scene: Scene,
    rng: np.random.Generator,
    k: int | None = None,
    foreign: float = 0.0,
    picture: Picture | None = None,
) -> View:
    """One object cut out by a shaken box: `a red car`, `a car`.

    foreign: share of crops whose box is that of another object in its place, for the boxes of a
    pair are found in either image; no less than FOREIGN_COVER of the object is in it.
    picture: of the scene, if it is not to be rendered.
    """
    picture = picture or render(scene, rng)
    k = int(rng.integers(len(scene.objects))) if k is None else k
    box = shaken(picture.boxes_xyxy[k], rng)
    if rng.random() < foreign:
        other = shaken(draw(replaced_object(rng, scene, k)).boxes_xyxy[k], rng)
        mask = picture.masks[k]
        if images.crop(mask, other).sum() >= FOREIGN_COVER * mask.sum():
            box = other
    labels = images.pad_to_square(images.crop(label_map(scene, picture), box), fill=0)
    texts = phrase(scene.objects[k]), with_article(scene.objects[k].category)
    return View(images.pad_to_square(images.crop(picture.image, box)), texts, labels)


def ground_crop(scene: Scene, rng: np.random.Generator, picture: Picture | None = None) -> View:
    """A box with nothing in it: `nothing but grass`."""
    picture = picture or render(scene, rng)
    labels = label_map(scene, picture)
    while True:
        wide, high = rng.uniform(20, 56, 2)
        left, top = rng.uniform(0, SIZE - wide), rng.uniform(0, SIZE - high)
        box = np.array([left, top, left + wide, top + high])
        inside = images.crop(labels, box)
        if (inside[..., 0] > 0).mean() < 0.04:
            image = images.pad_to_square(images.crop(picture.image, box))
            return View(image, (nothing_but(scene),), images.pad_to_square(inside, fill=0))


def view(rng: np.random.Generator) -> View:
    """A whole scene (35 %), an object's crop (50 %) or empty ground (15 %)."""
    scene = sample_scene(rng)
    kind = rng.random()
    if kind < 0.35:
        return whole(scene, rng)
    return object_crop(scene, rng) if kind < 0.85 else ground_crop(scene, rng)
