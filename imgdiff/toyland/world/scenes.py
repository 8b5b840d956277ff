"""Scenes of toyland: what stands where, drawn with exact masks and boxes."""

import hashlib
from dataclasses import astuple, dataclass, replace
from functools import cache

import cv2
import numpy as np

from imgdiff.toyland.drawing import (
    DAY_SKY,
    DRAW,
    DUSK_SKY,
    PAPER,
    RGB,
    SUPERSAMPLING,
    Pen,
    carry_digit,
    draw_ground,
)
from imgdiff.toyland.world.vocabulary import COLOURS, GROUNDS, SIZES

SIDE = 128  # pixels, of every picture
DUSK_TINT = np.array((0.8, 0.74, 0.9))  # what is left of red, green and blue
OUTLINE_TINT = 0.3  # share of the ground's colour in an outline drawing; the rest is paper
PLACES = {"left": (0.0, 0.36), "middle": (0.43, 0.57), "right": (0.64, 1.0)}  # shares of the width
LEAST_ASIDE = 24.0  # pixels between the centres of things of which one is left of the other


@dataclass(frozen=True)
class Thing:
    """One thing in a scene.

    key: a number of its own in its scene, which it keeps when the scene is changed.
    x, y: centre of its square; half: half the square's side; all in pixels.
    digit: the character that it carries, or nothing.
    """

    key: int
    category: str
    colour: str
    x: float
    y: float
    half: float
    flip: bool
    digit: str = ""

    @property
    def name(self) -> str:
        """`red car`."""
        return f"{self.colour} {self.category}"

    @property
    def size(self) -> str:
        """`small`, `big`, or nothing where the size has no word."""
        if self.half <= SIZES["small"][1]:
            return "small"
        return "big" if self.half >= SIZES["big"][0] else ""

    @property
    def place(self) -> str:
        """`left`, `middle`, `right`, or nothing where the place has no word."""
        share = self.x / SIDE
        return next((word for word, (low, high) in PLACES.items() if low <= share <= high), "")


@dataclass(frozen=True)
class Tie:
    """A thing that was put `behind` another one or `on` it; both are keys."""

    kind: str
    thing: int
    other: int


@dataclass(frozen=True)
class Scene:
    """Things from back to front on a ground.

    horizon: its height as a share of the picture's, from above. phase: where the hills begin, in
    radians. look: one of `vocabulary.LOOKS`.
    """

    things: tuple[Thing, ...]
    ground: str
    horizon: float
    phase: float
    look: str = "plain"
    ties: tuple[Tie, ...] = ()

    def __getitem__(self, key: int) -> Thing:
        return next(thing for thing in self.things if thing.key == key)

    @property
    def keys(self) -> tuple[int, ...]:
        return tuple(thing.key for thing in self.things)

    @property
    def combinations(self) -> set[tuple[str, str]]:
        """(category, colour) of every thing."""
        return {(thing.category, thing.colour) for thing in self.things}

    def tied(self, key: int) -> bool:
        """Whether the thing stands behind or on another one, or the other way round."""
        return any(key in (tie.thing, tie.other) for tie in self.ties)

    def alike(self, key: int) -> tuple[int, ...]:
        """Keys of the things of the same name, the thing's own among them."""
        name = self[key].name
        return tuple(thing.key for thing in self.things if thing.name == name)

    def with_thing(self, key: int, **changes: object) -> "Scene":
        """The same scene with some attributes of a thing changed."""
        things = tuple(
            replace(thing, **changes) if thing.key == key else thing  # type: ignore[arg-type]
            for thing in self.things
        )
        return replace(self, things=things)

    def without(self, key: int) -> "Scene":
        """The same scene without a thing, and without its ties."""
        things = tuple(thing for thing in self.things if thing.key != key)
        ties = tuple(tie for tie in self.ties if key not in (tie.thing, tie.other))
        return replace(self, things=things, ties=ties)

    def digest(self) -> str:
        """SHA-256 of all that it says."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Picture:
    """A drawn scene, its things in the scene's order.

    image: [128, 128, 3] uint8 RGB. masks: [N, 128, 128] bool, the visible part of each thing.
    boxes_xyxy: [N, 4] float32 pixels around the visible part.
    """

    image: np.ndarray
    masks: np.ndarray
    boxes_xyxy: np.ndarray


def draw(scene: Scene) -> Picture:
    """Draw a scene, antialiased; about 4 ms."""
    outline = scene.look == "outline"
    canvas = _background(scene)
    covers = []
    for thing in scene.things:
        pen = Pen(canvas, (thing.x, thing.y), thing.half, thing.flip, outline)
        DRAW[thing.category](pen, COLOURS[thing.colour])
        covers.append(_shrink(pen.mask) > 127)
        if thing.digit:
            carry_digit(pen, thing.category, COLOURS[thing.colour], thing.digit)
    image = _shrink(canvas)
    if scene.look == "dusk":
        image = (image * DUSK_TINT).round().astype(np.uint8)
    masks = np.zeros((len(covers), SIDE, SIDE), bool)
    taken = np.zeros((SIDE, SIDE), bool)
    for k in reversed(range(len(covers))):  # the last drawn is in front
        masks[k] = covers[k] & ~taken
        taken |= covers[k]
    boxes = np.array([box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
    return Picture(image, masks, boxes)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """xyxy pixels around what is true in a mask [H, W], which must not be empty."""
    x, y = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1


@cache
def extent(category: str) -> tuple[float, float, float, float]:
    """What a category fills of its square of [-1, 1] x [-1, 1]: left, top, right, bottom."""
    half = 60.0
    canvas = np.zeros((SIDE * SUPERSAMPLING, SIDE * SUPERSAMPLING, 3), np.uint8)
    pen = Pen(canvas, (SIDE / 2, SIDE / 2), half, False)
    DRAW[category](pen, (0, 0, 0))
    left, top, right, bottom = ((edge / SUPERSAMPLING - 64) / half for edge in box_of(pen.mask))
    return left, top, right, bottom


def floor(thing: Thing) -> float:
    """y of its lower edge, in pixels."""
    return thing.y + extent(thing.category)[3] * thing.half


def _background(scene: Scene) -> np.ndarray:
    top, bottom = GROUNDS[scene.ground]
    sky = DUSK_SKY if scene.look == "dusk" else DAY_SKY
    if scene.look == "outline":
        top, bottom, sky = _pale(top), _pale(bottom), (PAPER, PAPER)
    return draw_ground(SIDE, scene.horizon, top, bottom, scene.phase, sky)


def _pale(colour: RGB) -> RGB:
    mixed = np.array(colour) * OUTLINE_TINT + np.array(PAPER) * (1 - OUTLINE_TINT)
    red, green, blue = (round(float(value)) for value in mixed)
    return red, green, blue


def _shrink(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
