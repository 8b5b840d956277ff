"""What is distilled, and the questions that the guards hold back from it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imgdiff.data.conversations import IMAGE
from imgdiff.errors import RefusedError, RowError
from imgdiff.models.roles import Question
from imgdiff.training.answers import encode_example
from imgdiff.training.conversations import Examples, TrainingExample
from imgdiff.training.mixing import Drawn

log = logging.getLogger("imgdiff.train")


@dataclass
class SourcePart:
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
class PictureQuestion:
    """name: of the example it is from. picture: [H, W, 3] uint8 RGB."""

    name: str
    picture: np.ndarray
    text: str

    @property
    def asked(self) -> Question:
        return Question((self.picture,), self.text)

    def answered(self, answer: str) -> TrainingExample:
        turns = [("user", f"{IMAGE}\n{self.text}"), ("assistant", answer)]
        return TrainingExample(self.name, [self.picture], turns)


def question_of(example: TrainingExample) -> PictureQuestion:
    """The first question of a conversation.

    Raises:
        RowError: it is about several pictures.
    """
    if len(example.pictures) != 1:
        raise RowError(
            "several_pictures", f"{example.id} is about {len(example.pictures)} pictures"
        )
    text = example.turns[0][1].replace(IMAGE, "").strip()
    return PictureQuestion(example.id, example.pictures[0], text)


def held_back(
    sources: Sequence[Examples], count: int, seed: int
) -> tuple[list[SourcePart], list[PictureQuestion]]:
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
        questions += _questions(SourcePart(source, rows[:kept]))
        parts.append(SourcePart(source, sorted(rows[kept:])))
    return parts, questions


def _questions(examples: Examples) -> list[PictureQuestion]:
    found = []
    for number in range(len(examples)):
        try:
            found.append(question_of(examples[number]))
        except RowError as error:
            log.warning("not watched: %s", error)
    return found


def description_questions(
    questions: Sequence[PictureQuestion], description: str
) -> list[PictureQuestion]:
    """For every picture that is asked about, to describe it, in words `description`, unless that is
    what was asked."""
    return [replace(q, text=description) for q in questions if q.text != description]


class Questions(Drawn[PictureQuestion]):
    """The first questions of examples, which the student is to answer."""

    def _use(self, example: TrainingExample) -> PictureQuestion:
        question = question_of(example)
        encode_example(self._processor, question.answered(""), self._max_length)
        return question


def as_batch(questions: list[PictureQuestion]) -> dict[str, Any]:
    """What the Trainer hands on as it is."""
    return {"questions": questions}
