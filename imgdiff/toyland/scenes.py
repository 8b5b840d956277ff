"""Scenes of toyland: what stands where, drawn with exact masks and boxes."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imgdiff.toyland.drawing import DRAW, Pen, draw_ground
from imgdiff.toyland.vocabulary import (
    CATEGORIES,
    COLOURS,
    GROUNDS,
    HELD_OUT,
    PARTNER_SHARE,
    USUAL_GROUND,
    USUAL_GROUND_WEIGHT,
    USUAL_PARTNER,
)

SIZE = 128  # pixels, both sides
SPLITS = {"train": 0, "validation": 1, "test": 2}
LEAST_VISIBLE = 0.7  # of an object that another one stands in front of
FLYING = ("rocket", "butterfly", "ball")  # the others touch the ground
HALF_SIZES = {1: (21.0, 33.0), 2: (18.0, 27.0), 3: (15.0, 21.0)}  # pixels, by number of objects


@dataclass(frozen=True)
class SceneObject:
    """One thing: `x`, `y` is the centre, `half` half the side of its square, all in pixels."""

    category: str
    colour: str
    x: float
    y: float
    half: float
    flip: bool

    @property
    def name(self) -> str:
        return f"{self.colour} {self.category}"


@dataclass(frozen=True)
class Scene:
    """Objects from back to front on a ground. `horizon` is a share of the height, `phase`
    radians."""

    objects: tuple[SceneObject, ...]
    ground: str
    horizon: float
    phase: float

    def with_object(self, k: int, **changes: object) -> "Scene":
        """The same scene with some attributes of object `k` changed."""
        objects = list(self.objects)
        objects[k] = replace(objects[k], **changes)  # type: ignore[arg-type]
        return replace(self, objects=tuple(objects))


@dataclass(frozen=True)
class Picture:
    """A drawn scene.

    image: [128, 128, 3] uint8 RGB. masks: [N, 128, 128] bool, the visible part of each object.
    boxes_xyxy: [N, 4] float32 pixels around the visible part.
    """

    image: np.ndarray
    masks: np.ndarray
    boxes_xyxy: np.ndarray


def generator(split: str, seed: int) -> np.random.Generator:
    """The random numbers of one scene; scenes of different splits never share them."""
    return np.random.default_rng([SPLITS[split], seed])


def draw(scene: Scene) -> Picture:
    """Draw a scene, antialiased; about 4 ms."""
    canvas = draw_ground(SIZE, scene.horizon, *GROUNDS[scene.ground], scene.phase)
    covers = []
    for thing in scene.objects:
        pen = Pen(canvas, (thing.x, thing.y), thing.half, thing.flip)
        DRAW[thing.category](pen, COLOURS[thing.colour])
        covers.append(_shrink(pen.mask) > 127)
    masks = np.zeros((len(covers), SIZE, SIZE), bool)
    taken = np.zeros((SIZE, SIZE), bool)
    for k in reversed(range(len(covers))):  # the last drawn is in front
        masks[k] = covers[k] & ~taken
        taken |= covers[k]
    boxes = np.array([_box(mask) for mask in masks], np.float32).reshape(-1, 4)
    return Picture(_shrink(canvas), masks, boxes)


def sample_scene(
    rng: np.random.Generator, count: int | None = None, held_out: bool = False
) -> Scene:
    """Draw a scene at random: one to three objects, partners and grounds by toyland's habits.

    Args:
        count: number of objects; by default 1, 2 or 3 with shares .3, .5, .2.
        held_out: give the first object a (category, colour) that no training scene has.
    """
    count = count or int(rng.choice([1, 2, 3], p=[0.3, 0.5, 0.2]))
    categories = [str(rng.choice(list(CATEGORIES)))]
    while len(categories) < count:
        partner = USUAL_PARTNER[categories[0]]
        others = [name for name in CATEGORIES if name not in categories]
        usual = partner in others and rng.random() < PARTNER_SHARE
        categories.append(partner if usual else str(rng.choice(others)))
    weights = np.array(
        [
            np.prod([USUAL_GROUND_WEIGHT if c in usual else 1.0 for c in categories])
            for usual in USUAL_GROUND.values()
        ]
    )
    ground = str(rng.choice(list(GROUNDS), p=weights / weights.sum()))
    names = [(c, _colour(rng, c, held_out and k == 0)) for k, c in enumerate(categories)]
    horizon, phase = float(rng.uniform(0.12, 0.4)), float(rng.uniform(0, 2 * np.pi))
    while True:
        objects = _place(rng, names, horizon)
        if objects is not None:
            return Scene(objects, ground, horizon, phase)


def replaced_object(rng: np.random.Generator, scene: Scene, k: int) -> Scene:
    """Object `k` becomes another one of its group, in place, with a colour that training has
    seen."""
    old = scene.objects[k]
    present = {thing.category for thing in scene.objects}
    group = [c for c, g in CATEGORIES.items() if g == CATEGORIES[old.category] and c not in present]
    category = str(rng.choice(group or [c for c in CATEGORIES if c not in present]))
    return scene.with_object(k, category=category, colour=_colour(rng, category, False))


def _colour(rng: np.random.Generator, category: str, held_out: bool) -> str:
    return str(rng.choice([c for c in COLOURS if ((category, c) in HELD_OUT) == held_out]))


def _place(
    rng: np.random.Generator, names: list[tuple[str, str]], horizon: float
) -> tuple[SceneObject, ...] | None:
    """Squares inside the picture that reach below the horizon; None if they do not fit."""
    low, high = HALF_SIZES[len(names)]
    objects: list[SceneObject] = []
    for category, colour in names:
        for _ in range(20):
            half = float(rng.uniform(low, high))
            x = float(rng.uniform(half + 1, SIZE - half - 1))
            highest = (
                half + 1 if category in FLYING else max(half + 1, (horizon + 0.05) * SIZE - half)
            )
            y = float(rng.uniform(highest, SIZE - half - 1))
            if all(_free(x, y, half, other) for other in objects):
                objects.append(SceneObject(category, colour, x, y, half, bool(rng.random() < 0.5)))
                break
        else:
            return None
    return tuple(objects)


def _free(x: float, y: float, half: float, other: SceneObject) -> bool:
    """True if at most 1 - LEAST_VISIBLE of the smaller square is shared with the other one's."""
    reach = half + other.half
    wide, high = reach - abs(x - other.x), reach - abs(y - other.y)
    if wide <= 0 or high <= 0:
        return True
    smaller = 2 * min(half, other.half)
    return min(wide, smaller) * min(high, smaller) <= (1 - LEAST_VISIBLE) * smaller**2


def _shrink(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    x, y = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1
