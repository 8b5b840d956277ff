"""Guards: a purified model could score well by saying little, or by saying no to everything."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from imgdiff.errors import StoppedError
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.text.answers import read_yes_no
from imgdiff.training.seed import adapter
from imgdiff.training.seed.data import PictureQuestion
from imgdiff.training.seed.recipe import Guards

log = logging.getLogger("imgdiff.train")
BATCH = 8


@dataclass(frozen=True)
class Behaviour:
    """words: mean length of descriptions. yes_rate: share of questions that once were answered by
    yes or no, and now by yes. NaN where there are none."""

    words: float
    yes_rate: float

    def breaches(self, before: "Behaviour", bounds: Guards) -> list[str]:
        """In which ways it left the bounds around what was before; none if it did not."""
        found = []
        if abs(self.words / before.words - 1) > bounds.length_change:
            found.append(f"descriptions have {self.words:.1f} words, {before.words:.1f} before")
        if abs(self.yes_rate - before.yes_rate) > bounds.yes_change:
            found.append(f"yes-rate {self.yes_rate:.2f}, {before.yes_rate:.2f} before")
        return found


def behaviour(answers: Sequence[str], asked_yes_no: Sequence[bool]) -> Behaviour:
    """
    Args:
        asked_yes_no: for each answer whether its question was one of yes or no.
    """
    pairs = list(zip(answers, asked_yes_no, strict=True))
    words = [len(answer.split()) for answer, asked in pairs if not asked]
    affirmed = [read_yes_no(answer) is True for answer, asked in pairs if asked]
    return Behaviour(
        words=float(np.mean(words)) if words else math.nan,
        yes_rate=float(np.mean(affirmed)) if affirmed else math.nan,
    )


class AnswerWatch:
    """Asks the same questions again and again, and knows how they were answered before.

    Args:
        mllm: before the training.
    """

    def __init__(
        self, bounds: Guards, questions: Sequence[PictureQuestion], mllm: ImageTextToText
    ) -> None:
        self.bounds, self._questions, self._before = bounds, questions, mllm
        answers = self._ask(mllm)
        self._asked_yes_no = [read_yes_no(answer) is not None for answer in answers]
        self.before = behaviour(answers, self._asked_yes_no)

    def now(self, model: Any) -> Behaviour:
        asked = ImageTextToText(model, self._before.processor, self._before.profile)
        return behaviour(self._ask(asked), self._asked_yes_no)

    def _ask(self, mllm: ImageTextToText) -> list[str]:
        answers: list[str] = []
        for start in range(0, len(self._questions), BATCH):
            some = [q.asked for q in self._questions[start : start + BATCH]]
            answers += mllm.answer(some, self.bounds.max_new_tokens)
        return answers


class GuardCallback(TrainerCallback):
    """Ends the training when the answers leave their bounds, with the adapter that was last within
    them. The answers are watched before every checkpoint, too.

    kept_step, behaviour: of that adapter. breach: how the bounds were left; empty if they were not.

    Args:
        begun: how the model answers before its first step; None: it is asked.
    """

    def __init__(self, watch: AnswerWatch, trainer: Trainer, begun: Behaviour | None) -> None:
        self._watch, self._trainer, self._begun = watch, trainer, begun
        self.kept_step = 0
        self.breach = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """
        Raises:
            StoppedError: what a person stopped was out of the bounds.
        """
        resumed = state.global_step > 0
        if self._begun is not None and not resumed:
            self._keep(state, self._begun)
            return
        found = self._watch.now(self._model())
        if resumed and (breaches := found.breaches(self._watch.before, self._watch.bounds)):
            text = f"the checkpoint of step {state.global_step} is out of bounds"
            way_out = f"Delete it in {args.output_dir} to go on from the one before"
            raise StoppedError(f"{text}: {'; '.join(breaches)}. {way_out}.")
        self._keep(state, found)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        last = state.global_step == state.max_steps
        due = state.global_step % self._watch.bounds.every == 0
        if not (due or last or control.should_save):
            return
        found = self._watch.now(self._model())
        figures = {"eval_words": found.words, "eval_yes_rate": found.yes_rate}
        losses_due = control.should_log
        self._trainer.log({name: v for name, v in figures.items() if not math.isnan(v)})
        control.should_log = losses_due  # else they would count as logged
        breaches = found.breaches(self._watch.before, self._watch.bounds)
        if not breaches:
            self._keep(state, found)
            return
        self.breach = f"step {state.global_step}: {'; '.join(breaches)}"
        log.warning("%s. Stopped; the adapter of step %d is kept", self.breach, self.kept_step)
        adapter.put_back(self._model(), self._kept)
        control.should_training_stop = True

    def _keep(self, state: TrainerState, found: Behaviour) -> None:
        self._kept = adapter.snapshot(self._model())
        self.kept_step, self.behaviour = state.global_step, found

    def _model(self) -> Any:
        return self._trainer.accelerator.unwrap_model(self._trainer.model)
