"""What MLLMs say of rendered test scenes, whose truth is known exactly; each drawn once."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from imgdiff.evaluation import pope, toyland
from imgdiff.evaluation.chair import load_vocabulary
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.text import prompts
from imgdiff.training.answers import collate, encode_example
from imgdiff.training.conversations import TrainingExample
from imgdiff.training.efuf.losses import token_losses

BATCH = 64
MAX_NEW_TOKENS = 48  # no true caption is longer


@dataclass(frozen=True)
class Said:
    """What was counted of one model, an image a row.

    captions: [N, 6] mentions that are not there, mentions, true objects named, true objects,
    words, captions. pope: setting -> [N, 4] true and false positives, false and true negatives.
    reading: [N, 2] nats that the true captions cost, and their tokens.
    """

    captions: np.ndarray
    pope: dict[str, np.ndarray]
    reading: np.ndarray

    @classmethod
    def together(cls, several: Sequence["Said"]) -> "Said":
        """The counts of several models of one kind, such as three seeds, added up."""
        return cls(
            sum(said.captions for said in several),
            {name: sum(said.pope[name] for said in several) for name in several[0].pope},
            sum(said.reading for said in several),
        )

    @classmethod
    def read(cls, file: Path) -> "Said":
        with np.load(file) as kept:
            pope = {name[5:]: kept[name] for name in kept.files if name.startswith("pope_")}
            return cls(kept["captions"], pope, kept["reading"])

    def write(self, file: Path) -> None:
        """As .npz."""
        file.parent.mkdir(parents=True, exist_ok=True)
        pope = {f"pope_{name}": counts for name, counts in self.pope.items()}
        np.savez(file, captions=self.captions, reading=self.reading, **pope)


@dataclass
class HeldOutScenes:
    """The first scenes of the test split. All are described and read; those with three objects are
    asked about, as POPE does.

    Args:
        count: how many.
        settings: of POPE.
    """

    count: int
    settings: Sequence[str] = pope.SETTINGS
    _pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.annotated = toyland.annotated(self.count)
        self.numbers = {each.image: k for k, each in enumerate(self.annotated)}
        self.questions = [
            question
            for setting in self.settings
            for question in pope.build(self.annotated, setting)
        ]

    def picture(self, name: str) -> np.ndarray:
        if name not in self._pictures:
            self._pictures[name] = toyland.load_picture(name)
        return self._pictures[name]

    def said_by(self, mllm: ImageTextToText) -> Said:
        """Captions, answers, and how well it reads true captions."""
        return Said(self.captions(mllm), self.answers(mllm), self.reading(mllm))

    def captions(self, mllm: ImageTextToText) -> np.ndarray:
        """What was counted of a model's captions, as in `Said`."""
        vocabulary = load_vocabulary("toyland")
        images = [each.image for each in self.annotated]
        said = self._ask(mllm, images, [prompts.SCENE] * len(images), MAX_NEW_TOKENS, "captions")
        counts = []
        for each, caption in zip(self.annotated, said, strict=True):
            truth, named = set(each.objects), vocabulary.mentions(caption)
            absent = sum(name not in truth for name in named)
            found = len(truth & set(named))
            counts.append([absent, len(named), found, len(truth), len(caption.split()), 1])
        return np.array(counts, float)

    def answers(self, mllm: ImageTextToText) -> dict[str, np.ndarray]:
        """What was counted of a model's answers, as `Said.pope`."""
        asked = list(
            dict.fromkeys((q.image, q.text) for q in self.questions)
        )  # settings share some
        images, texts = zip(*asked, strict=True)
        said = dict(zip(asked, self._ask(mllm, images, texts, 3, "questions"), strict=True))
        counts = {name: np.zeros((len(self.annotated), 4)) for name in self.settings}
        for question in self.questions:
            yes = pope.official_rule(said[question.image, question.text], question.truth)
            place = (0 if question.truth else 1) if yes else (2 if question.truth else 3)
            counts[question.setting][self.numbers[question.image], place] += 1
        return counts

    @torch.inference_mode()
    def reading(self, mllm: ImageTextToText) -> np.ndarray:
        """What a true caption of every scene costs, teacher-forced, as in `Said`."""
        costs = []
        for start in self._batches(len(self.annotated), "true captions"):
            examples = []
            for each in self.annotated[start : start + BATCH]:
                said = f"{each.captions[0].capitalize()}."
                turns = [("user", f"<image>\n{prompts.SCENE}"), ("assistant", said)]
                examples.append(TrainingExample(each.image, [self.picture(each.image)], turns))
            encoded = [encode_example(mllm.processor, example) for example in examples]
            batch = collate(encoded, mllm.processor.tokenizer.pad_token_id)
            labels = batch.pop("labels")
            losses, wanted = token_losses(mllm.model(**batch).logits, labels)
            costs.append(torch.stack([losses.sum(-1), wanted.sum(-1)], 1).numpy())
        return np.concatenate(costs)

    def _ask(
        self,
        mllm: ImageTextToText,
        images: Sequence[str],
        texts: Sequence[str],
        longest: int,
        what: str,
    ) -> list[str]:
        said: list[str] = []
        for start in self._batches(len(images), what):
            some = slice(start, start + BATCH)
            asked = zip(images[some], texts[some], strict=True)
            said += mllm.answer([Question((self.picture(n),), text) for n, text in asked], longest)
        return said

    @staticmethod
    def _batches(count: int, what: str) -> Sequence[int]:
        return track(range(0, count, BATCH), what, transient=True, disable=not sys.stdout.isatty())
