"""Images with their caption and their edited captions, from parquet to batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset, load_dataset

from imgdiff.data.rows import Row
from imgdiff.errors import RefusedError
from imgdiff.export.split import Split
from imgdiff.models.families.towers import Reading
from imgdiff.training.ohd_clip.recipe import OhdClipRecipe

ROUND = 32  # a CPU keeps kernels for every shape that it met: with few shapes memory stays low
COLUMNS = ("image_a", "caption_a", "negatives")
OhdRow = Mapping[str, Any]  # one row of a dataset with these columns


def load_rows(recipe: OhdClipRecipe) -> tuple[Dataset, Dataset]:
    """What is trained on, and what is held back.

    Raises:
        RefusedError: a column is missing, or one side is left without rows.
    """
    splits = load_dataset(recipe.data)
    columns = set(splits["train"].column_names)
    if absent := [name for name in COLUMNS if name not in columns]:
        raise RefusedError(f"{recipe.data} has no column {', '.join(absent)}")
    rows = splits["train"].select_columns(list(COLUMNS))
    if "validation" in splits:
        held_back = splits["validation"].select_columns(list(COLUMNS))
    else:
        split = Split(recipe.seed, recipe.validation.fraction)
        captions = rows["caption_a"]
        sides = [split.side(Row(str(k), 0, {"caption_a": captions[k]})) for k in range(len(rows))]
        places = {side: [k for k, s in enumerate(sides) if s == side] for side in set(sides)}
        held_back = rows.select(places.get("validation", []))
        rows = rows.select(places.get("train", []))
    held_back = held_back.select(range(min(len(held_back), recipe.validation.rows)))
    for side, some in (("train", rows), ("validation", held_back)):
        if not len(some):
            raise RefusedError(f"{recipe.data}: no row for {side}. Make more, or hold back more")
    return rows, held_back


@dataclass(frozen=True)
class Collator:
    """Rows -> the processor's tensors; every distinct sentence is encoded once.

    processor: CLIP's or SigLIP's. reading, length: of its text tower. negatives: how many are drawn
    for each row, None for all. Random numbers are torch's, which the Trainer seeds and restores.
    """

    processor: Any
    reading: Reading
    length: int
    negatives: int | None = None

    def __call__(self, rows: Sequence[OhdRow]) -> dict[str, torch.Tensor]:
        """
        Returns:
            pixel_values [B, 3, H, W]; input_ids and attention_mask [T, L] of the sentences, the
            first one again at the end until T is a multiple of ROUND;
            caption_of [B], the sentence of each row; negatives_of [B, N], -1 where a row has fewer.
        """
        number: dict[str, int] = {}  # of a sentence
        captions = [number.setdefault(row["caption_a"], len(number)) for row in rows]
        edited = [
            [number.setdefault(text, len(number)) for text in self._negatives(row)] for row in rows
        ]
        width = max(map(len, edited))
        sentences = list(number)
        sentences += sentences[:1] * (-len(sentences) % ROUND)
        pictures = [row["image_a"].convert("RGB") for row in rows]
        tokens = self.reading.tokens(self.processor.tokenizer, sentences, self.length)
        return {
            **self.processor.image_processor(pictures, return_tensors="pt"),
            **tokens,
            "caption_of": torch.tensor(captions),
            "negatives_of": torch.tensor(
                [some + [-1] * (width - len(some)) for some in edited], dtype=torch.int64
            ),
        }

    def _negatives(self, row: OhdRow) -> list[str]:
        texts = distinct_negatives(row)
        if self.negatives is None or len(texts) <= self.negatives:
            return texts
        drawn = torch.randperm(len(texts))[: self.negatives].tolist()
        return [texts[k] for k in sorted(drawn)]


def distinct_negatives(row: OhdRow) -> list[str]:
    """A row's edited captions, each once, without one that equals its caption."""
    texts = dict.fromkeys(negative["caption"] for negative in row["negatives"])
    return [text for text in texts if text != row["caption_a"]]
