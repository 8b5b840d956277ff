"""POPE: is there a cup in the image? (Li et al. 2023, arXiv 2305.10355)

Of an image with three objects or more, the first three are asked about, each followed by one that
is absent: any (`random`), the most frequent (`popular`), or the one that most often stands beside
the object before (`adversarial`). So exactly half of the answers are yes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from imgdiff.errors import RefusedError
from imgdiff.evaluation.annotations import Annotated, read_lines
from imgdiff.statistics.estimates import Estimate, divide, estimate
from imgdiff.text.answers import read_yes_no
from imgdiff.text.grammar import article

SETTINGS = ("random", "popular", "adversarial")
POSITIVES = 3  # objects of an image that are asked about
QUESTION = "Is there {thing} in the image?"


@dataclass(frozen=True)
class PopeQuestion:
    """truth: whether the thing is there."""

    id: str
    image: str
    text: str
    truth: bool
    setting: str


def build(
    annotated: Sequence[Annotated], setting: str, images: int = 500, seed: int = 0
) -> list[PopeQuestion]:
    """Six questions each about `images` images with three objects or more, drawn by `seed`.

    An image that shows all but fewer than three objects of the set is passed over. Where nothing
    stands beside the object before, adversarial falls back to random.

    Raises:
        RefusedError: no image has three objects.
    """
    rng = np.random.default_rng(seed)
    frequency = Counter(name for each in annotated for name in each.objects)
    beside = Counter(pair for each in annotated for pair in permutations(each.objects, 2))
    fit = [
        each
        for each in annotated
        if len(each.objects) >= POSITIVES and len(frequency) - len(each.objects) >= POSITIVES
    ]
    if not fit:
        raise RefusedError(f"no image has {POSITIVES} objects and lacks {POSITIVES} others")
    chosen = sorted(rng.permutation(len(fit))[:images])
    questions: list[PopeQuestion] = []
    for each in (fit[k] for k in chosen):
        absent = [name for name in frequency if name not in each.objects]
        for k, present in enumerate(each.objects[:POSITIVES]):
            drawn = str(rng.choice(absent))
            if setting == "popular":
                drawn = max(absent, key=lambda name: frequency[name])
            elif setting == "adversarial":
                near = max(absent, key=lambda name: beside[present, name])
                drawn = near if beside[present, near] else drawn
            absent.remove(drawn)
            for thing, truth in ((present, True), (drawn, False)):
                text = QUESTION.format(thing=f"{article(thing)} {thing}")
                name = f"{setting}-{each.image}-{k}-{'yes' if truth else 'no'}"
                questions.append(PopeQuestion(name, each.image, text, truth, setting))
    return questions


def read_questions(path: Path, setting: str | None = None) -> list[PopeQuestion]:
    """A published POPE file: lines of `question_id`, `image`, `text`, `label` (yes or no).

    setting: if not given, the one whose name the file's name holds.

    Raises:
        RefusedError: a line that is not of this form.
    """
    named = setting or next((s for s in SETTINGS if s in path.stem), path.stem)
    questions: list[PopeQuestion] = []
    for record, place in read_lines(path):
        try:
            image, text, label = (str(record[key]) for key in ("image", "text", "label"))
        except KeyError as error:
            raise RefusedError(f"{place}: {error} is missing") from None
        if label not in ("yes", "no"):
            raise RefusedError(f"{place}: label is {label!r}, expected yes or no")
        name = f"{named}-{record.get('question_id', len(questions))}"
        questions.append(PopeQuestion(name, image, text, label == "yes", named))
    return questions


def official_rule(answer: str, _truth: bool) -> bool:
    """Whether an answer says yes, by the official rule, which OHD-Caps uses too: no if its first
    sentence has the word No, no or not; everything else is yes."""
    words = answer.split(".")[0].replace(",", "").split(" ")
    return not {"No", "no", "not"} & set(words)


def vcd_rule(answer: str, truth: bool) -> bool:
    """Whether an answer says yes, by VCD's rule: right where the wanted word occurs anywhere in it,
    so `nothing` says no, and an answer with both words is always right."""
    wanted = "yes" if truth else "no"
    return truth if wanted in answer.lower() else not truth


def first_word_rule(answer: str, truth: bool) -> bool:
    """Whether an answer says yes, read as everywhere else in imgdiff; one that says neither yes nor
    no is wrong."""
    said = read_yes_no(answer)
    return not truth if said is None else said


PARSERS: dict[str, Callable[[str, bool], bool]] = {
    "official": official_rule,
    "vcd": vcd_rule,
    "first_word": first_word_rule,
}


def scores(
    questions: Sequence[PopeQuestion], answers: Mapping[str, str], parser: str = "official"
) -> dict[str, dict[str, Estimate]]:
    """Setting -> accuracy, precision, recall, F1 (yes is positive) and yes-rate.

    Images are resampled, as the questions about one hang together. (The F1 that LLaVA reports is
    the mean over the three settings.)
    """
    verdict, tables = PARSERS[parser], {}
    settings = list(dict.fromkeys(question.setting for question in questions))
    for setting in settings:
        counts: dict[str, np.ndarray] = {}  # image -> [TP, FP, FN, TN]
        for question in questions:
            if question.setting == setting:
                said = verdict(answers[question.id], question.truth)
                place = (0 if question.truth else 1) if said else (2 if question.truth else 3)
                counts.setdefault(question.image, np.zeros(4))[place] += 1
        tables[setting] = {
            name: estimate(np.stack(list(counts.values())), statistic)
            for name, statistic in STATISTICS.items()
        }
    return tables


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # of [..., (TP, FP, FN, TN)]
    "accuracy": lambda n: divide(n[..., 0] + n[..., 3], n.sum(-1)),
    "precision": lambda n: divide(n[..., 0], n[..., 0] + n[..., 1]),
    "recall": lambda n: divide(n[..., 0], n[..., 0] + n[..., 2]),
    "f1": lambda n: divide(2 * n[..., 0], 2 * n[..., 0] + n[..., 1] + n[..., 2]),
    "yes_rate": lambda n: divide(n[..., 0] + n[..., 1], n.sum(-1)),
}
