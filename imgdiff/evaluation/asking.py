"""Questions to a model: batched, greedy, answers kept as they come, none asked for twice."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from imgdiff.data.files import inside, read_regular
from imgdiff.data.images import load_rgb
from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.evaluation.annotations import read_lines
from imgdiff.models.roles import Question

Answerer = Callable[[Sequence[Question], int], list[str]]  # as `Mllm.answer`
Loader = Callable[[str], np.ndarray]  # name of an image -> [H, W, 3] uint8 RGB


@dataclass(frozen=True)
class Prompt:
    """id: unique among what is asked. image: a name that the loader knows."""

    id: str
    image: str
    text: str


def ask(
    answer: Answerer | None,
    prompts: Sequence[Prompt],
    load: Loader,
    kept: Path | None = None,
    batch_size: int = 16,
    max_new_tokens: int = 64,
) -> dict[str, str]:
    """Id -> answer.

    Args:
        answer: the model; None if all answers are kept already.
        kept: a .jsonl file to which every answer is added; what it holds of the very same question
            is not asked again.

    Raises:
        RefusedError: answers are missing and there is no model, or an image cannot be read.
        StoppedError: a question gets no answer. Those that were kept are safe.
    """
    asked = {prompt.id: prompt for prompt in prompts}
    answers = {
        record["id"]: record["answer"]
        for record in _records(kept)
        if record["id"] in asked and record["question"] == asked[record["id"]].text
    }
    left = [prompt for prompt in prompts if prompt.id not in answers]
    if left and answer is None:
        where = f"{kept} lacks" if kept else "no model, and no file of answers, for"
        raise RefusedError(f"{where} {len(left)} of {len(prompts)} answers, first {left[0].id}")
    with Progress(transient=True) as progress:
        bar = progress.add_task("answers", total=len(prompts), completed=len(answers))
        for start in range(0, len(left), batch_size):
            assert answer is not None
            some = left[start : start + batch_size]
            questions = [Question((load(prompt.image),), prompt.text) for prompt in some]
            try:
                said = answer(questions, max_new_tokens)
            except RowError as error:  # of a server, or of a model that only thinks
                ids = f"{some[0].id} to {some[-1].id}" if len(some) > 1 else some[0].id
                raise StoppedError(f"{ids}: {error.code}: {error}") from None
            answers |= {prompt.id: text for prompt, text in zip(some, said, strict=True)}
            _keep(kept, some, said)
            progress.update(bar, advance=len(some))
    return answers


def from_folder(folder: Path) -> Loader:
    """Reads images by their names inside `folder`."""

    def load(name: str) -> np.ndarray:
        try:
            return load_rgb({"bytes": read_regular(inside(folder, name)), "path": name})
        except OSError as error:
            raise RefusedError(f"cannot read image {name} in {folder}: {error.strerror}") from None
        except RowError as error:
            raise RefusedError(f"{folder}: {error}") from None

    return load


def _records(kept: Path | None) -> Iterator[dict[str, str]]:
    if kept is None or not kept.exists():
        return
    _cut_torn_line(kept)
    for record, place in read_lines(kept):
        if not all(isinstance(record.get(key), str) for key in ("id", "question", "answer")):
            raise RefusedError(f"{place}: expected id, question and answer")
        yield record


def _cut_torn_line(kept: Path) -> None:
    """Take away what a kill left of a line."""
    content = kept.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(kept, whole)


def _keep(kept: Path | None, prompts: Sequence[Prompt], said: Sequence[str]) -> None:
    if kept is None:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        for prompt, text in zip(prompts, said, strict=True):
            record = {"id": prompt.id, "question": prompt.text, "answer": text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
