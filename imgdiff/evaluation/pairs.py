"""Pair accuracy: two images that look alike to CLIP, one question each, and both answers must be
right (MMVP, Tong et al. 2024, arXiv 2401.06209).

MMVP has a model judge the answers; the letter of an option is its usual free replacement, and what
is done here.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgdiff.errors import RefusedError
from imgdiff.statistics.estimates import Estimate, mean
from imgdiff.text.answers import read_yes_no

COLUMNS = ("Question", "Options", "Correct Answer")
PROMPT = "{question} {options} Answer with the letter of the option."
OPTION = re.compile(r"\(([a-z])\)\s*([^(]*)", re.IGNORECASE)


@dataclass(frozen=True)
class PairQuestion:
    """text: all that is asked. options: letter (or yes, no) -> words. truth: the right letter.
    pair: number of the pair it belongs to."""

    id: str
    image: str
    text: str
    options: dict[str, str]
    truth: str
    pair: int


def read_mmvp(path: Path) -> list[PairQuestion]:
    """MMVP's CSV: question k is about image `k.jpg`, and 2n-1 and 2n are a pair.

    Raises:
        RefusedError: a column is missing, the options have another form, or a question is alone.
    """
    questions = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            records = list(csv.DictReader(file))
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None
    for k, record in enumerate(records):
        place = f"{path}:{k + 2}"
        if missing := [name for name in COLUMNS if record.get(name) is None]:
            raise RefusedError(f"{place}: no column {missing[0]}")
        question, given, right = (record[name].strip() for name in COLUMNS)
        options = {letter.lower(): text.strip() for letter, text in OPTION.findall(given)}
        truth = right.strip("() ").lower()
        if truth not in options:
            raise RefusedError(f"{place}: answer {right!r} is none of the options {given!r}")
        listed = " ".join(f"({letter}) {words}" for letter, words in options.items())
        text = PROMPT.format(question=question, options=listed)
        questions.append(PairQuestion(str(k + 1), f"{k + 1}.jpg", text, options, truth, k // 2))
    if not questions or len(questions) % 2:
        raise RefusedError(f"{path}: {len(questions)} questions, expected pairs")
    return questions


def chosen(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter of the option that an answer names: `(b)`, `B.`, `b`, or the option's words alone.

    None where it names none, or several. Where the options are yes and no, `read_yes_no` decides.
    """
    if set(options) == {"yes", "no"}:
        said = read_yes_no(answer)
        return None if said is None else "yes" if said else "no"
    plain = answer.strip().lower()
    letters = "|".join(options)
    found = set(re.findall(rf"\(({letters})\)", plain))
    begins = re.match(rf"(?:the answer is |option )?({letters})\b(?!\s+\w)", plain)
    if not found and begins:
        found = {begins[1]}
    if not found:
        found = {
            letter
            for letter, words in options.items()
            if re.search(rf"(?<!\w){re.escape(words.lower())}(?!\w)", plain)
        }
    return found.pop() if len(found) == 1 else None


def right(questions: Sequence[PairQuestion], answers: Mapping[str, str]) -> np.ndarray:
    """[pairs, 2] bool: which questions are answered rightly, pairs in their first order."""
    told = np.array([chosen(answers[q.id], q.options) == q.truth for q in questions])
    number = np.array([q.pair for q in questions])
    return np.array([told[number == pair] for pair in dict.fromkeys(number.tolist())])


def scores(questions: Sequence[PairQuestion], answers: Mapping[str, str]) -> dict[str, Estimate]:
    """pairs: both right. single: questions that are right. Pairs are resampled for both."""
    both = right(questions, answers)
    return {"pairs": mean(both.min(1).astype(float)), "single": mean(both.mean(1))}
