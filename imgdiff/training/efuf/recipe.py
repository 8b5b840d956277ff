"""The recipe of EFUF; imports no model library."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from imgdiff.data.files import has_parquet
from imgdiff.recipe.schema import Section
from imgdiff.recipe.source import Key
from imgdiff.training.efuf.parts import Unit
from imgdiff.training.recipe import TrainingRecipe

Layers = Literal["projector", "last_block", "language_model"]


class ScoreWeighting(Section):
    """The released code's weights: samples by their score, terms by the progress of training.

    For the code's own values: score_sum 0.55, positive_end 0.5, negative_hold 0.4.
    """

    score_sum: float = Field(gt=0, le=2)  # T0 + T1, the two thresholds of the phrases, as cosines
    positive_end: float = Field(1.0, ge=0, le=1)  # what the positive weight falls to, in a line
    negative_hold: float = Field(1.0, ge=0, le=1)  # share of steps before the negative one falls


class EfufRecipe(TrainingRecipe):
    """L = L_pos + negative_weight L_neg + sentence_weight L_sent (EFUF, section 3.3)."""

    role: ClassVar[str] = "mllm"

    method: Literal["efuf"]
    data: str = Field(min_length=1)  # folder of a run of recipes/efuf_data.yaml
    layers: list[Layers] = Field(default=["projector"], min_length=1)  # what is trained
    unit: Unit = "sub_sentence"
    negative_weight: float = Field(0.3, ge=0)
    sentence_weight: float = Field(0.2, ge=0)
    floor: float | None = Field(-3.0, lt=0)  # log-probability, in nats; null: unbounded ascent
    weighting: ScoreWeighting | None = None

    def missing(self) -> Iterable[tuple[Key, str]]:
        pairs = Path(self.data) / "data" / "pairs"
        if not has_parquet(pairs):
            way_out = "Make them: python -m imgdiff.run recipes/efuf_data.yaml"
            yield ("data",), f"no rows in {pairs}. {way_out}"
