"""The recipe of SEED, a self-evolving distillation; imports no model library."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from imgdiff.recipe.schema import Section
from imgdiff.recipe.source import Key
from imgdiff.text.prompts import SCENE
from imgdiff.training.recipe import LowRankAdapter, TrainingRecipe
from imgdiff.training.sources import DataSource, checked_shares, missing_data


class SeedAdapter(LowRankAdapter):
    """What is trained of the language model, and added to its layers in the end."""

    blocks: float = Field(1.0, gt=0, le=1)  # share of the blocks, the last ones


class Guards(Section):
    """Answers to some questions that are not trained on, and descriptions of their pictures,
    watched every so many steps. Out of its bounds a training ends, and keeps the adapter that was
    last within them."""

    examples: int = Field(64, ge=0)  # 0: nothing is watched
    description: str = Field(SCENE, min_length=1)  # how a description is asked for
    every: int = Field(50, ge=1)  # optimiser steps
    length_change: float = Field(0.10, gt=0)  # of descriptions, in words, relative
    yes_change: float = Field(0.10, gt=0, le=1)  # of the share of yes among yes and no
    max_new_tokens: int = Field(64, ge=1)


class SeedRecipe(TrainingRecipe):
    """SEED (arXiv 2507.04680), as we reconstruct it: the paper's equations were not found, so every
    choice is a setting."""

    role: ClassVar[str] = "mllm"

    method: Literal["seed"]
    data: list[DataSource] = Field(min_length=1)
    max_length: int | None = Field(None, ge=16)  # tokens with the pictures'; the model's limit

    # whose answers are followed token by token: the data's, or those that the student gives
    responses: Literal["reference", "student"] = "reference"
    temperature: float = Field(1.0, gt=0)  # of the student's answers
    max_new_tokens: int = Field(64, ge=1)  # of the student's answers

    noise_step: int = Field(500, ge=0, le=999)  # identify: how far the picture is diffused
    weighting: Literal["divergence", "none"] = "divergence"  # isolate: tokens by their JS
    alpha: float = Field(1.0, ge=0)  # purge: strength of the contrast
    beta: float = Field(0.1, ge=0, lt=1)  # purge: tokens this far below the likeliest are cut
    epsilon: float = Field(1e-3, gt=0, lt=1)  # evolve: share of the clean distribution mixed in
    divergence: Literal["reverse", "forward"] = "reverse"  # evolve: mode-seeking, or the baseline
    anchor: float = Field(1.0, ge=0)  # weight of staying as before where the picture does not count
    rounds: int = Field(1, ge=1, le=20)  # after each the student is the next one's teacher

    adapter: SeedAdapter = SeedAdapter()
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _fits(self) -> "SeedRecipe":
        checked_shares(self.data)
        if self.weighting == "none" and "anchor" in self.model_fields_set:
            raise ValueError("anchor needs weighting divergence: without it all tokens are purged")
        return self

    def missing(self) -> Iterable[tuple[Key, str]]:
        return missing_data(self.data)
