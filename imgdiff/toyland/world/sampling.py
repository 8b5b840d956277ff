"""Scenes at random, by toyland's habits; the splits that keep trainings and tests apart."""

from dataclasses import dataclass, replace

import numpy as np

from imgdiff.toyland.drawing import PLATES
from imgdiff.toyland.world.scenes import SIDE, Scene, Thing, Tie, extent, floor
from imgdiff.toyland.world.vocabulary import (
    CATEGORIES,
    COLOURS,
    DIGITS,
    FLYING,
    GROUNDS,
    HELD_OUT,
    SIZES,
    SUPPORTS,
    USUAL_COLOUR,
    USUAL_GROUND,
    USUAL_PARTNER,
)

# Random numbers of different splits are never shared. Scenes of `judge` train the judge alone, and
# alone hold combinations that are held out
SPLITS = {"train": 0, "validation": 1, "test": 2, "judge": 3}
HELD_OUT_SHARE = 0.2  # of the judge's scenes
USUAL_GROUND_WEIGHT = 4.0
PARTNER_SHARE = 0.4  # of second things that are the usual partner of the first
SIDE_SHARE = 0.75  # of partners that stand on their usual side
COLOUR_SHARE = 0.3  # of things that have their usual colour; the others have any
GAP = 2.0  # pixels between the squares of things that have nothing to do with each other
EDGE = 1.0  # pixels between a square and the edge of the picture
BEHIND_SHOWN = (0.5, 0.7)  # share of its width by which a thing stands out from behind another one
TRIES = 40
LEAST_DIGIT = 8.0  # pixels, of a digit's height


@dataclass(frozen=True)
class Mix:
    """What scenes are drawn, as shares.

    counts: of scenes with one thing, with two, ... sizes: number of things -> shares of small,
    ordinary and big ones. alike: scenes in which the first thing comes two or three times. behind,
    on: of scenes where that can be. digit: of scenes in which one thing carries a digit. dusk,
    outline: of scenes with that look.
    """

    counts: tuple[float, ...] = (0.25, 0.33, 0.24, 0.11, 0.07)
    sizes: tuple[tuple[float, float, float], ...] = (
        (0.15, 0.45, 0.4),
        (0.2, 0.55, 0.25),
        (0.25, 0.7, 0.05),
        (0.5, 0.5, 0.0),
        (0.7, 0.3, 0.0),
    )
    alike: float = 0.12
    behind: float = 0.12
    on: float = 0.5
    digit: float = 0.15
    dusk: float = 0.1
    outline: float = 0.08


WORLD = Mix()  # everything
PLAIN = Mix(  # one to three things that differ, seldom small, by daylight
    counts=(0.34, 0.42, 0.24),
    sizes=((0.05, 0.45, 0.5), (0.08, 0.62, 0.3), (0.15, 0.8, 0.05)),
    alike=0.0,
    behind=0.0,
    on=0.0,
    digit=0.0,
    dusk=0.0,
    outline=0.0,
)


def generator(split: str, seed: int) -> np.random.Generator:
    """The random numbers of one scene; scenes of different splits never share them."""
    return np.random.default_rng([SPLITS[split], seed])


def sample_scene(
    rng: np.random.Generator,
    mix: Mix = WORLD,
    count: int | None = None,
    held_out: bool = False,
) -> Scene:
    """Draw a scene at random.

    Args:
        mix: what is drawn how often.
        count: number of things; by default one of the mix.
        held_out: give the first thing a colour that no model but the judge has seen on it. Trainers
            never ask for that.
    """
    count = count or 1 + int(rng.choice(len(mix.counts), p=mix.counts))
    while True:
        scene = _try_scene(rng, mix, count, held_out)
        if scene is not None:
            return scene


def judge_scene(seed: int) -> Scene:
    """A scene for the judge, which sees every combination."""
    rng = generator("judge", seed)
    return sample_scene(rng, held_out=bool(rng.random() < HELD_OUT_SHARE))


def seen_colour(rng: np.random.Generator, category: str) -> str:
    """A colour of the category that is not held out: the usual one, or any."""
    if rng.random() < COLOUR_SHARE:
        return USUAL_COLOUR[category]
    return str(rng.choice([c for c in COLOURS if (category, c) not in HELD_OUT]))


def free_square(
    scene: Scene, rng: np.random.Generator, thing: Thing, own: int | None = None
) -> tuple[float, float] | None:
    """A centre where the thing's square meets no other square than that of key `own`; None if none
    was found."""
    others = [other for other in scene.things if other.key != own]
    for _ in range(TRIES):
        x, y = _anywhere(rng, thing.category, thing.half, scene.horizon)
        if all(_apart(x, y, thing.half, other) for other in others):
            return x, y
    return None


def from_back_to_front(scene: Scene) -> Scene:
    """The same scene, things ordered by their lower edges; what is tied as its tie says."""
    depth = {thing.key: floor(thing) for thing in scene.things}
    for tie in scene.ties:
        behind = tie.kind == "behind"
        depth[tie.thing] = depth[tie.other] + (-1e-3 if behind else 1e-3)
    return replace(scene, things=tuple(sorted(scene.things, key=lambda t: depth[t.key])))


def _try_scene(rng: np.random.Generator, mix: Mix, count: int, held_out: bool) -> Scene | None:
    categories, partner = _categories(rng, mix, count)
    scene = Scene(
        (),
        _ground(rng, categories),
        horizon=float(rng.uniform(0.12, 0.4)),
        phase=float(rng.uniform(0, 2 * np.pi)),
        look=str(rng.choice(["plain", "dusk", "outline"], p=_looks(mix))),
    )
    for key, category in enumerate(categories):
        twin = next((t for t in scene.things if t.category == category), None)
        if twin is not None:  # the same thing once more
            colour, half = twin.colour, twin.half
        else:
            hidden = held_out and not key
            colour = _held_out_colour(category) if hidden else seen_colour(rng, category)
            half = _half(rng, mix, count)
        thing = Thing(key, category, colour, 0.0, 0.0, half, bool(rng.random() < 0.5))
        placed = _place(scene, rng, mix, thing, partner if key == 1 else "")
        if placed is None:
            return None
        scene = placed
    return from_back_to_front(_with_digit(scene, rng, mix))


def _categories(rng: np.random.Generator, mix: Mix, count: int) -> tuple[list[str], str]:
    """One for each thing, and the side on which the second is to stand, if it is the partner of the
    first."""
    first = str(rng.choice(list(CATEGORIES)))
    chosen, side = [first], ""
    if count > 1 and rng.random() < mix.alike:
        chosen *= min(count, int(rng.integers(2, 4)))
    usual, usual_side = USUAL_PARTNER[first]
    while len(chosen) < count:
        others = [name for name in CATEGORIES if name not in chosen]
        if len(chosen) == 1 and rng.random() < PARTNER_SHARE:
            chosen.append(usual)
            other_side = "left" if usual_side == "right" else "right"
            side = usual_side if rng.random() < SIDE_SHARE else other_side
        else:
            chosen.append(str(rng.choice(others)))
    return chosen, side


def _ground(rng: np.random.Generator, categories: list[str]) -> str:
    weights = np.array(
        [
            np.prod([USUAL_GROUND_WEIGHT if c in usual else 1.0 for c in categories])
            for usual in USUAL_GROUND.values()
        ]
    )
    return str(rng.choice(list(GROUNDS), p=weights / weights.sum()))


def _looks(mix: Mix) -> tuple[float, float, float]:
    return 1 - mix.dusk - mix.outline, mix.dusk, mix.outline


def _held_out_colour(category: str) -> str:
    return next(colour for name, colour in HELD_OUT if name == category)


def _half(rng: np.random.Generator, mix: Mix, count: int) -> float:
    low, high = SIZES[str(rng.choice(list(SIZES), p=mix.sizes[count - 1]))]
    return float(rng.uniform(low, high))


def _place(
    scene: Scene, rng: np.random.Generator, mix: Mix, thing: Thing, side: str
) -> Scene | None:
    """The scene with one thing more, on a support or behind another thing as the mix has it, else
    on free ground; None if it does not fit."""
    others = [other for other in scene.things if not scene.tied(other.key)]
    if others and thing.category not in FLYING and thing.category not in SUPPORTS:
        supports = [o for o in others if o.category in SUPPORTS and o.half > thing.half]
        if supports and rng.random() < mix.on:
            return _put_on(scene, rng, thing, supports[0])
    if others and rng.random() < mix.behind:
        other = others[int(rng.integers(len(others)))]
        placed = _put_behind(scene, rng, thing, other)
        if placed is not None:
            return placed
    for _ in range(TRIES):
        free = free_square(scene, rng, thing)
        if free is None:
            return None
        if not side or (free[0] < scene.things[0].x) == (side == "left"):
            return replace(scene, things=(*scene.things, replace(thing, x=free[0], y=free[1])))
    return None


def _put_on(scene: Scene, rng: np.random.Generator, thing: Thing, support: Thing) -> Scene | None:
    slack = 0.5 * (support.half - thing.half)
    x = support.x + float(rng.uniform(-slack, slack))
    top = support.y + extent(support.category)[1] * support.half
    y = top - extent(thing.category)[3] * thing.half + 1.0
    if y - thing.half < EDGE:
        return None
    apart = (_apart(x, y, thing.half, o) for o in scene.things if o.key != support.key)
    if not all(apart):
        return None
    put = replace(thing, x=x, y=y)
    tie = Tie("on", thing.key, support.key)
    return replace(scene, things=(*scene.things, put), ties=(*scene.ties, tie))


def _put_behind(scene: Scene, rng: np.random.Generator, thing: Thing, other: Thing) -> Scene | None:
    """Half hidden, on one side of the other thing, its lower edge a little higher up."""
    if (
        other.category in FLYING
        or thing.category in FLYING
        or not 0.75 < thing.half / other.half < 1.5
    ):
        return None
    side = 1.0 if rng.random() < 0.5 else -1.0
    left, _, right, bottom = extent(thing.category)
    width = (right - left) * thing.half
    edge = other.x + side * extent(other.category)[2] * other.half
    x = edge + side * (float(rng.uniform(*BEHIND_SHOWN)) - 0.5) * width
    y = floor(other) - float(rng.uniform(3, 7)) - bottom * thing.half
    inside = thing.half + EDGE <= x <= SIDE - thing.half - EDGE and y >= thing.half + EDGE
    apart = (_apart(x, y, thing.half, o) for o in scene.things if o.key != other.key)
    if not inside or not all(apart):
        return None
    put = replace(thing, x=x, y=y)
    tie = Tie("behind", thing.key, other.key)
    return replace(scene, things=(*scene.things, put), ties=(*scene.ties, tie))


def _anywhere(
    rng: np.random.Generator, category: str, half: float, horizon: float
) -> tuple[float, float]:
    """The centre of a square inside the picture; things that do not fly reach below the horizon."""
    low, high = half + EDGE, SIDE - half - EDGE
    highest = low if category in FLYING else max(low, (horizon + 0.05) * SIDE - half)
    return float(rng.uniform(low, high)), float(rng.uniform(min(highest, high), high))


def _apart(x: float, y: float, half: float, other: Thing) -> bool:
    reach = half + other.half + GAP
    return max(abs(x - other.x), abs(y - other.y)) >= reach


def _with_digit(scene: Scene, rng: np.random.Generator, mix: Mix) -> Scene:
    able = [t.key for t in scene.things if can_carry(scene, t.key)]
    if not able or rng.random() >= mix.digit:
        return scene
    return scene.with_thing(int(rng.choice(able)), digit=str(rng.choice(list(DIGITS))))


def can_carry(scene: Scene, key: int) -> bool:
    """Whether a thing is large enough for a digit, in full view, and the only one of its name."""
    thing = scene[key]
    return (
        thing.category in PLATES
        and PLATES[thing.category][2] * thing.half >= LEAST_DIGIT
        and not scene.tied(key)
        and len(scene.alike(key)) == 1
    )
