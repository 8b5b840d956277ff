"""The recipe of a finetuning (as in Img-Diff)."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from imgdiff.recipe.source import Key
from imgdiff.training.recipe import LowRankAdapter, TrainingRecipe
from imgdiff.training.sources import DataSource, checked_shares, missing_data


class FinetuneAdapter(LowRankAdapter):
    """Instead of the language model's own weights."""

    dropout: float = Field(0.05, ge=0, lt=1)


class FinetuneRecipe(TrainingRecipe):
    """Any image-text-to-text model, on the answers of conversations about pictures.

    The vision tower is frozen, as in the paper; the projector is trained whole, with adapters too.
    """

    role = "mllm"

    method: Literal["finetune"]
    data: list[DataSource] = Field(min_length=1)
    max_length: int | None = Field(None, ge=16)  # tokens with the pictures'; the model's limit
    adapter: FinetuneAdapter | None = None  # none: all weights of the language model
    train_projector: bool = True
    train_vision: bool = False

    @model_validator(mode="after")
    def _shared(self) -> "FinetuneRecipe":
        checked_shares(self.data)
        return self

    def missing(self) -> Iterable[tuple[Key, str]]:
        return missing_data(self.data)
