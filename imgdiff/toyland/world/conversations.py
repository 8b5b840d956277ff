"""What the embedded MLLM learns to answer: pictures with questions and answers, all of them true.

Pictures are whole scenes, crops, pairs joined as one picture, or pairs as two pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgdiff.data import images
from imgdiff.text import prompts
from imgdiff.toyland.views import shaken, softened
from imgdiff.toyland.world.captions import (
    difference,
    nothing_but,
    phrase_with_digit,
    scene_caption,
)
from imgdiff.toyland.world.changes import CHANGES, Difference, Pair, changed_pair
from imgdiff.toyland.world.sampling import sample_scene
from imgdiff.toyland.world.scenes import Scene, Thing
from imgdiff.toyland.world.views import ground_crop, render, thing_crop
from imgdiff.toyland.world.vocabulary import (
    CATEGORIES,
    COLOURS,
    HELD_OUT,
    NUMBERS,
    SEEN,
    category_plural,
    with_article,
)

Exchange = tuple[str, str]  # a question and its answer


@dataclass(frozen=True)
class Conversation:
    """One or two pictures ([H, W, 3] uint8 RGB each, square) and turns about them."""

    images: tuple[np.ndarray, ...]
    turns: tuple[Exchange, ...]


# kinds whose places can be marked by one box in both pictures
MARKED_KINDS = ("replace", "replace", "attribute", "remove", "add", "text", "")
WRONG_CAPTION = 0.04  # of region captions in a question are wrong, as an MLLM's may be
TWO_PICTURES = 0.5  # of pairs are shown as two pictures, the others joined
FEW_CHANGES = (0.15, 0.4, 0.3, 0.15)  # shares of pairs with none, one, two, three changes
SOFT = 0.5  # of pictures are softened


def region(rng: np.random.Generator) -> Conversation:
    """What a crop shows, one in seven being empty ground, half of the others cut by the box of
    another thing."""
    scene = sample_scene(rng)
    thing = rng.random() < 0.86
    seen = thing_crop(scene, rng, foreign=0.5) if thing else ground_crop(scene, rng)
    return Conversation((seen.image,), ((prompts.REGION["crop"], _sentence(seen.texts[0])),))


def marked_pair(rng: np.random.Generator) -> Conversation:
    """A pair with a red box where it differs, or where it does not; the question holds captions of
    both boxes."""
    kind = str(rng.choice(MARKED_KINDS))
    pair = changed_pair(rng, [kind] if kind else [])
    box, said = _marked(pair, rng)
    shown = [images.draw_box(_soft(picture, rng), box) for picture in pair.images]
    order = [0, 1] if rng.random() < 0.5 else [1, 0]
    given = {
        f"caption_{side}": _perhaps_wrong(said[n], rng) for side, n in zip("ab", order, strict=True)
    }
    turn = prompts.DIFFERENCE.format(**given), difference(said[order[0]], said[order[1]])
    return Conversation(_shown_as(shown[order[0]], shown[order[1]], rng), (turn,))


def listed_pair(rng: np.random.Generator) -> Conversation:
    """A pair with up to three changes; the answer lists them all."""
    number = int(rng.choice(len(FEW_CHANGES), p=FEW_CHANGES))
    kinds = [str(kind) for kind in rng.permutation(list(CHANGES))[:number]]
    pair = changed_pair(rng, kinds)
    one, other = (_soft(picture, rng) for picture in pair.images)
    answer = " ".join(map(difference_sentence, pair.differences)) or "Nothing differs."
    return Conversation(_shown_as(one, other, rng), ((prompts.DIFFERENCES, answer),))


def whole_scene(rng: np.random.Generator) -> Conversation:
    """A caption, or questions; never both, for what has been said need not be seen any more."""
    scene = sample_scene(rng)
    if rng.random() < 0.4:
        turns = [(prompts.SCENE, _sentence(scene_caption(scene, rng)))]
    else:
        turns = questions(scene, rng)
    return Conversation((render(scene, rng).image,), tuple(turns))


TASKS: tuple[Callable[[np.random.Generator], Conversation], ...] = (
    region,
    marked_pair,
    listed_pair,
    whole_scene,
)
SHARES = (0.22, 0.25, 0.18, 0.35)


def conversation(rng: np.random.Generator) -> Conversation:
    """One of the tasks, drawn by its share."""
    return TASKS[int(rng.choice(len(TASKS), p=SHARES))](rng)


def questions(scene: Scene, rng: np.random.Generator) -> list[Exchange]:
    """For every thing, in random order, one question to affirm and one to deny; then colours that
    were not told, and how many there are of something.

    Half of the questions name a colour, which is all that is wrong with one in four of those to
    deny. To ask for a colour makes a model look for the thing that is named; yes and no alone teach
    a small one next to nothing.
    """
    first = [scene[scene.alike(key)[0]] for key in scene.keys]
    things = list(dict.fromkeys(first))
    present = {thing.category for thing in things}
    absent = [str(c) for c in rng.permutation([c for c in CATEGORIES if c not in present])]
    asked, open_ones = [], []
    for thing in things:
        if rng.random() < 0.5:
            asked.append((thing.name, "Yes."))
        else:
            asked.append((thing.category, "Yes."))
            colour = f"What colour is the {thing.category}?", f"{thing.colour.capitalize()}."
            if len(scene.alike(thing.key)) == 1:
                open_ones.append(colour)
        asked.append((_untrue(thing, absent.pop(), rng), "No."))
    turns = [(prompts.EXISTS.format(thing=with_article(words)), answer) for words, answer in asked]
    counted = things[int(rng.integers(len(things)))]
    number = NUMBERS.get(len(scene.alike(counted.key)), "one")
    kind = f"{counted.colour} {category_plural(counted.category)}"
    open_ones.append((f"How many {kind} are there?", f"{number.capitalize()}."))
    return [turns[k] for k in rng.permutation(len(turns))] + open_ones


def difference_sentence(found: Difference) -> str:
    """`A red car became a blue mug.`"""
    one, other = found.phrase_a, found.phrase_b
    match found.kind:
        case "add":
            return _sentence(f"there is now {other}")
        case "remove":
            return _sentence(f"{one} is gone")
        case "background":
            return f"The ground was {one} and is now {other}."
        case "style":
            now = {"plain": "day", "dusk": "dusk", "outline": "an outline drawing"}
            return f"It is now {now[other]}."
        case "position":
            return _sentence(f"{one} is now {other.removeprefix(_shared(one, other)).strip()}")
        case _:
            return _sentence(f"{one} became {other}")


def _shared(one: str, other: str) -> str:
    """The words with which both begin."""
    words = []
    for a, b in zip(one.split(), other.split(), strict=False):
        if a != b:
            break
        words.append(a)
    return " ".join(words)


def _marked(pair: Pair, rng: np.random.Generator) -> tuple[np.ndarray, tuple[str, str]]:
    """A box (xyxy pixels) for both pictures, and what it shows in either."""
    if not pair.differences:
        k = int(rng.integers(len(pair.scenes[0].things)))
        box = shaken(pair.pictures[0].boxes_xyxy[k], rng, by=0.06)
        said = phrase_with_digit(pair.scenes[0].things[k])
        return box, (said, said)
    (found,) = pair.differences
    boxes = [box for box in found.boxes_xyxy if box is not None]
    box = shaken(boxes[int(rng.integers(len(boxes)))], rng, by=0.06)
    one = found.phrase_a or nothing_but(pair.scenes[0])
    other = found.phrase_b or nothing_but(pair.scenes[1])
    if found.kind == "text":  # a crop does not tell the size
        key = next(k for k in pair.scenes[0].keys if pair.scenes[0][k] != pair.scenes[1][k])
        one, other = (phrase_with_digit(scene[key]) for scene in pair.scenes)
    return box, (one, other)


def _shown_as(
    left: np.ndarray, right: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    if rng.random() < TWO_PICTURES:
        return left, right
    return (images.pad_to_square(images.side_by_side(left, right)),)


def _soft(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return softened(picture, rng) if rng.random() < SOFT else picture


def _perhaps_wrong(truth: str, rng: np.random.Generator) -> str:
    if rng.random() > WRONG_CAPTION:
        return truth
    category, colour = SEEN[int(rng.integers(len(SEEN)))]
    return with_article(f"{colour} {category}")


def _untrue(thing: Thing, absent: str, rng: np.random.Generator) -> str:
    """What is not there: a category, or a colour with it, or the thing in another colour; no
    combination that is held out."""
    if rng.random() < 0.5:
        return absent
    if rng.random() < 0.25:
        others = [c for c in COLOURS if c != thing.colour and (thing.category, c) not in HELD_OUT]
        return f"{rng.choice(others)} {thing.category}"
    return f"{rng.choice([c for c in COLOURS if (absent, c) not in HELD_OUT])} {absent}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
