"""Train and validation: which rows are on which side."""

import re
from dataclasses import dataclass
from typing import Literal

from imgdiff.data.rows import Row, derive_seed

Side = Literal["train", "validation"]
SIDES: tuple[Side, Side] = ("train", "validation")


@dataclass(frozen=True)
class Split:
    """By source caption, so that no caption is on both sides; pairs without one go by their id.

    A caption's side comes from its words and the run's seed alone: more rows move none that is
    there, and a larger fraction only moves some from train to validation.
    """

    seed: int
    validation_fraction: float

    def side(self, row: Row) -> Side:
        words = re.findall(r"\w+", row.values.get("caption_a", "").casefold())
        key = " ".join(words) or f"id\0{row.id}"
        share = (derive_seed(self.seed, f"split\0{key}") >> 10) / 2**53  # in [0, 1), unrounded
        return "validation" if share < self.validation_fraction else "train"
