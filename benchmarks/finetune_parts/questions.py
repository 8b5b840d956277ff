"""What a model is asked before and after finetuning: rendered scenes of the test split.

A pair is two scenes that differ in one thing: it is another one of its group, or has another
colour. Img-Diff shows a pair as one picture, side by side with red boxes. Of each pair:

- *pairs*, by MMVP's rule: one question with two options, put to two pictures that differ in what is
  right, and both must be answered rightly. The pictures are the pair side by side and the pair the
  other way round; asked is what differs; the options are the sentence with the truth and the one
  with left and right exchanged. The likelier one is the answer. Who does not look gives one answer
  twice, and is never right; who guesses is in a quarter of the pairs. *single* counts the two
  questions one by one: half of them are right by chance.
- *alone*: the same rule for the two images alone. Of a replaced thing: is it there, yes or no (in
  every other pair the thing of the second image is meant)? Of a recoloured one: what colour is it?
- *sentence*: the model's own words for the difference. Right where they name, with their colours,
  the left image's thing as the left one's and the right image's as the right one's.
- *cider_d*: CIDEr-D of these words against the truth, x 100.

And *pope* on whole scenes: the share of right answers, mean over its three settings.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from finetune_parts.choosing import choose, with_options
from imgdiff.data import images
from imgdiff.data.conversations import IMAGE, QUESTIONS
from imgdiff.evaluation import captions, pairs, pope, toyland
from imgdiff.evaluation.asking import Prompt, ask
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.text import prompts
from imgdiff.toyland.captions import difference, phrase
from imgdiff.toyland.pairs import RenderedPair, recoloured_pair, replaced_pair
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.vocabulary import with_article

FIRST = 600_000  # seeds below are those of other tests
KINDS = (replaced_pair, recoloured_pair)
DIFFERENCE = QUESTIONS["joined"].removeprefix(f"{IMAGE}\n")
MAX_NEW_TOKENS = 48
BATCH = 32


@cache
def pair(number: int) -> RenderedPair:
    """Even numbers are replaced, odd ones recoloured."""
    return KINDS[number % 2](generator("test", FIRST + number))


def load(name: str) -> np.ndarray:
    """The picture of a prompt, [H, W, 3] uint8 RGB: `alone-K-a`, `joined-K-a` (A on the left), or
    `scene-K`."""
    if name.startswith("scene"):
        return toyland.load_picture(name)
    kind, number, side = name.split("-")
    shown, k = pair(int(number)), "ab".index(side)
    if kind == "alone":
        return shown.images[k]
    box = shown.boxes_xyxy[int(number) // 2 % 2]  # a region is found in either image
    left, right = shown.images[k], shown.images[1 - k]
    return images.pad_to_square(images.joined_view(left, right, box))


def told(number: int) -> tuple[str, str]:
    """What differs, with A on the left and with B on the left."""
    old, new = (phrase(thing) for thing in (pair(number).old, pair(number).new))
    return difference(old, new), difference(new, old)


def side_by_side(count: int) -> list[Prompt]:
    """Two prompts a pair, in the order of the pairs; the options stand in one order."""
    return [
        Prompt(f"choice-{k}-{side}", f"joined-{k}-{side}", with_options(DIFFERENCE, told(k)))
        for k in range(count)
        for side in "ab"
    ]


def alone(count: int) -> list[pairs.PairQuestion]:
    """MMVP's: two questions a pair, in the order of the pairs."""
    questions = []
    for k in range(count):
        old, new = pair(k).old, pair(k).new
        if old.category == new.category:
            text = f"What colour is the {old.category}?"
            options, truths = {"a": old.colour, "b": new.colour}, "ab"
        else:
            meant = (old, new)[k // 2 % 2]
            text = prompts.EXISTS.format(thing=with_article(meant.category))
            options, truths = toyland.YES_NO, ("yes", "no") if meant is old else ("no", "yes")
        questions += [
            pairs.PairQuestion(f"alone-{k}-{side}", f"alone-{k}-{side}", text, options, truth, k)
            for side, truth in zip("ab", truths, strict=True)
        ]
    return questions


def named_right(sentence: str, shown: RenderedPair) -> bool:
    """Whether a difference caption names what either half shows, and not as the other's."""
    left, _, right = sentence.lower().partition("right image")
    old, new = shown.old.name, shown.new.name
    return old in left and new not in left and new in right and old not in right


def measure(
    mllm: ImageTextToText | None, kept: Path, pair_count: int, scenes: int
) -> dict[str, np.ndarray]:
    """Metric -> its value for each item (pair, sentence, or image of POPE), the same for all
    models.

    Args:
        mllm: None if all answers are in the file `kept`.
        scenes: of which POPE asks about those with three objects.
    """
    single, shown = alone(pair_count), toyland.annotated(scenes)
    present = [q for setting in pope.SETTINGS for q in pope.build(shown, setting, scenes)]
    joined = [f"joined-{k}-a" for k in range(pair_count)]
    asked = [Prompt(q.id, q.image, q.text) for q in (*single, *present)]
    asked += [Prompt(name, name, DIFFERENCE) for name in joined]
    said = ask(mllm and mllm.answer, asked, load, kept, BATCH, MAX_NEW_TOKENS)
    either = side_by_side(pair_count)
    chosen = ask(mllm and partial(choose, mllm), either, load, kept, BATCH)
    sides = np.array([[chosen[f"choice-{k}-{s}"] for s in "ab"] for k in range(pair_count)])
    found = sides == np.array([told(k) for k in range(pair_count)])
    both = found.all(1).astype(float)
    truth = {name: [told(k)[0]] for k, name in enumerate(joined)}
    return {
        "pairs": both,
        "pairs_replaced": both[0::2],
        "pairs_recoloured": both[1::2],
        "single": found.mean(1),
        "sentence": np.array([named_right(said[n], pair(k)) for k, n in enumerate(joined)], float),
        "cider_d": captions.cider_d(said, truth),
        "alone": pairs.right(single, said).all(1).astype(float),
        "pope": pope_right(present, said),
    }


def pope_right(questions: Sequence[pope.PopeQuestion], answers: dict[str, str]) -> np.ndarray:
    """[images] share of an image's questions that are answered rightly."""
    right: dict[str, list[bool]] = {}
    for q in questions:
        right.setdefault(q.image, []).append(pope.official_rule(answers[q.id], q.truth) == q.truth)
    return np.array([np.mean(each) for each in right.values()])
