"""The sets D+, D- and D^s of a run of `recipes/efuf_data.yaml`, and batches of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imgdiff.data.images import load_rgb
from imgdiff.errors import RefusedError, RowError
from imgdiff.models.asking import AskingProfile
from imgdiff.text.words import Span
from imgdiff.training.answers import Encoded, collate
from imgdiff.training.conversations import TrainingExample
from imgdiff.training.efuf.parts import Unit, caption_parts
from imgdiff.training.efuf.tokens import encode_part

log = logging.getLogger("imgdiff.train")
SETS = ("positive", "negative", "sentence")  # D+, D-, D^s, in the order of a batch's numbers
MAX_PIXELS = 40_000_000  # of one picture


@dataclass(frozen=True)
class EfufSample:
    """row: number of the caption. part: the characters that are learned or unlearned; None: all of
    it, with its end token. score: cosine of phrase and image, or the mean of all phrases."""

    row: int
    part: Span | None
    score: float


class UnlearningSets:
    """Every caption's samples: name of a set -> list of `EfufSample`.

    A caption that spells out a special token is passed over: its tokens have no offsets.

    Args:
        run: folder of the run.
        unit: what a part is (`spans.parts`).
        special: the tokenizer's special tokens.
        profile: how the model is shown pictures.

    Raises:
        RefusedError: the run has no phrases, or one of the sets is empty.
    """

    def __init__(
        self, run: Path, unit: Unit, special: Sequence[str], profile: AskingProfile
    ) -> None:
        self._profile = profile
        self.rows = _rows(run)
        self.samples: dict[str, list[EfufSample]] = {name: [] for name in SETS}
        for number, row in enumerate(self.rows.remove_columns("image_a")):
            if any(token in row["caption_a"] for token in special):
                continue
            for part in caption_parts(row["caption_a"], row["phrases"], unit):
                self.samples[part.set].append(EfufSample(number, part.span, part.score))
            if row["sentence_set"] == "positive":
                mean = float(np.mean([phrase["score"] for phrase in row["phrases"]]))
                self.samples["sentence"].append(EfufSample(number, None, mean))
        self.sizes = {name: len(samples) for name, samples in self.samples.items()}
        log.info("%s samples", ", ".join(f"{size} {name}" for name, size in self.sizes.items()))
        if empty := [name for name, size in self.sizes.items() if not size]:
            text = f"has no {' and no '.join(empty)} samples. Move the thresholds of its recipe"
            raise RefusedError(f"{run} {text}")

    def example(self, sample: EfufSample) -> TrainingExample:
        """The picture, the question that was asked, and the caption."""
        row = self.rows[sample.row]
        turns = [("user", f"<image>\n{row['prompt']}"), ("assistant", row["caption_a"])]
        picture = load_rgb(row["image_a"], MAX_PIXELS)
        return TrainingExample(row["id"], [picture], turns).shown_to(self._profile)


class Triples(torch.utils.data.Dataset[list[tuple[int, EfufSample, Encoded]]]):
    """Each a positive, a negative and a sentence: (number of the set, sample, its tokens).

    Every set is gone through in random order, again and again, so that all of D+ and D^s are met
    although D- is small. An epoch is as long as D-, as in EFUF's code.

    Args:
        epochs: how often D- is gone through, if `count` does not say it.
        count: how many triples.
    """

    def __init__(
        self,
        sets: UnlearningSets,
        processor: Any,
        seed: int,
        epochs: float,
        count: int | None = None,
    ) -> None:
        self._sets, self._processor = sets, processor
        count = count or ceil(epochs * sets.sizes["negative"])
        rng = np.random.default_rng(seed)
        self._drawn = [_rounds(sets.sizes[name], count, rng) for name in SETS]

    def __len__(self) -> int:
        return len(self._drawn[0])

    def __getitem__(self, number: int) -> list[tuple[int, EfufSample, Encoded]]:
        chosen = [
            self._sets.samples[name][drawn[number]]
            for name, drawn in zip(SETS, self._drawn, strict=True)
        ]
        try:
            return [
                (k, sample, encode_part(self._processor, self._sets.example(sample), sample.part))
                for k, sample in enumerate(chosen)
            ]
        except RowError as error:
            raise RefusedError(str(error)) from None


def batches_of(pad_token_id: int) -> Callable[[Sequence[Any]], dict[str, Tensor]]:
    """The collator of triples: what `answers.collate` makes of all of them, with `sets` and
    `scores`, [N]."""

    def batch(triples: Sequence[list[tuple[int, EfufSample, Encoded]]]) -> dict[str, Tensor]:
        numbers, samples, encoded = zip(*(one for triple in triples for one in triple), strict=True)
        made = collate(encoded, pad_token_id)
        made["sets"] = torch.tensor(numbers)
        made["scores"] = torch.tensor([sample.score for sample in samples])
        return made

    return batch


def _rounds(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """[count] numbers below `size`: permutations, one after another."""
    return np.concatenate([rng.permutation(size) for _ in range(ceil(count / size))])[:count]


def _rows(run: Path) -> Any:
    """The captions that the run kept, as a `datasets.Dataset`, pictures undecoded."""
    import datasets

    datasets.disable_progress_bars()
    files = sorted(str(file) for file in (run / "data" / "pairs").glob("*.parquet"))
    if not files:
        raise RefusedError(f"{run} has no data/pairs: no run has kept anything there")
    rows = datasets.load_dataset("parquet", data_files=files, split="train")
    wanted = ["id", "image_a", "caption_a", "prompt", "phrases", "sentence_set"]
    if absent := sorted(set(wanted) - set(rows.column_names)):
        text = f"{run} has no column {absent[0]}: it is no run of recipes/efuf_data.yaml"
        raise RefusedError(text)
    return rows.select_columns(wanted).cast_column("image_a", datasets.Image(decode=False))
