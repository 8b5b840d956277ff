"""The recipe of `method: ohd_clip`."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from imgdiff.data.files import has_parquet
from imgdiff.recipe.schema import Section
from imgdiff.recipe.source import Key
from imgdiff.training.recipe import TrainingRecipe

PAIRS = "/data/pairs"  # where a run has its parquet


class LossSettings(Section):
    """L = L0 + own_weight L1 + edited_weight L2; margins in logits, 100 times a cosine in a
    published CLIP."""

    own_weight: float = Field(0.1, ge=0)  # lambda 1: of the own caption's lead; 0 leaves it out
    own_margin: float = Field(2.0, ge=0)  # tau 1
    edited_weight: float = Field(0.1, ge=0)  # lambda 2: of the edited captions' place
    edited_margin: float = Field(2.0, ge=0)  # tau 2
    # than captions of other images: closer as the paper has it, farther as the released code
    edited_captions: Literal["closer", "farther"] = "closer"


class ValidationSettings(Section):
    """Rows held back for it; a split named `validation` is taken where the data has one."""

    fraction: float = Field(0.05, gt=0, le=0.5)  # of the captions, none of which is trained on too
    rows: int = Field(1000, ge=1)  # at most
    every_steps: int = Field(100, ge=1)


class OhdClipRecipe(TrainingRecipe):
    role: ClassVar[str] = "clip"

    # a run's data/pairs, or any folder of parquet with image_a, caption_a, negatives
    data: str = Field(min_length=1)
    # drawn anew for each row in each step; null: all of them. A quarter of the texts is a quarter
    # of a text encoder's time and memory
    negatives_per_step: int | None = Field(None, ge=1)
    loss: LossSettings = LossSettings()
    validation: ValidationSettings = ValidationSettings()

    def missing(self) -> Iterable[tuple[Key, str]]:
        if not has_parquet(Path(self.data)):
            run = "RUN"
            if self.data.endswith(PAIRS):
                run = self.data.removesuffix(PAIRS)
            way_out = f"imgdiff run recipes/ohd_negatives.yaml export_path={run}"
            yield ("data",), f"no parquet file in {self.data}. Make {run}{PAIRS} with: {way_out}"
