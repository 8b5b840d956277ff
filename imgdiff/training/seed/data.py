"""What is distilled, and the questions that the guards hold back from it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imgdiff.data.conversations import IMAGE
from imgdiff.errors import RefusedError, RowError
from imgdiff.training.answers import encode
from imgdiff.training.conversations import Examples, TrainingExample
from imgdiff.training.mixing import Drawn

log = logging.getLogger("imgdiff.train")


@dataclass
class Part:
    """Some examples of a source."""

    source: Examples
    rows: Sequence[int]

    def __post_init__(self) -> None:
        self.name = self.source.name

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> TrainingExample:
        return self.source[self.rows[number]]


@dataclass(frozen=True)
class Question:
    """name: of the example it is from. picture: [H, W, 3] uint8 RGB."""

    name: str
    picture: np.ndarray
    text: str

    def answered(self, answer: str) -> TrainingExample:
        turns = [("user", f"{IMAGE}\n{self.text}"), ("assistant", answer)]
        return TrainingExample(self.name, [self.picture], turns)


def question_of(example: TrainingExample) -> Question:
    """The first question of a conversation.

    Raises:
        RowError: it is about several pictures.
    """
    if len(example.pictures) != 1:
        raise RowError(
            "several_pictures", f"{example.id} is about {len(example.pictures)} pictures"
        )
    text = example.turns[0][1].replace(IMAGE, "").strip()
    return Question(example.id, example.pictures[0], text)


def held_back(
    sources: Sequence[Examples], count: int, seed: int
) -> tuple[list[Part], list[Question]]:
    """The sources without some examples that the seed draws, and the first questions of those; at
    most a half of a source is held back.

    Raises:
        RefusedError: a source is empty.
    """
    parts, questions = [], []
    for source in sources:
        if not len(source):
            raise RefusedError(f"{source.name} has no examples")
        rows = np.random.default_rng([seed, 1]).permutation(len(source)).tolist()
        kept = min(-(-count // len(sources)), len(source) // 2)
        questions += _questions(Part(source, rows[:kept]))
        parts.append(Part(source, sorted(rows[kept:])))
    return parts, questions


def _questions(examples: Examples) -> list[Question]:
    found = []
    for number in range(len(examples)):
        try:
            found.append(question_of(examples[number]))
        except RowError as error:
            log.warning("not watched: %s", error)
    return found


def described(questions: Sequence[Question], description: str) -> list[Question]:
    """For every picture that is asked about, to describe it, in words `description`, unless that is
    what was asked."""
    return [replace(q, text=description) for q in questions if q.text != description]


class Questions(Drawn[Question]):
    """The first questions of examples, which the student is to answer."""

    def _use(self, example: TrainingExample) -> Question:
        question = question_of(example)
        encode(self._processor, question.answered(""), self._max_length)
        return question


def as_batch(questions: list[Question]) -> dict[str, Any]:
    """What the Trainer hands on as it is."""
    return {"questions": questions}
