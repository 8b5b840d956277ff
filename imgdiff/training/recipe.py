"""What every training recipe has, whatever its method.

A method is a package of its name with two modules. `recipe` holds its schema and imports no model
library; `train` holds `train(recipe, folder)`, which trains in a `TrainingFolder` and leaves the
model there.
"""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from imgdiff.data.files import path_name
from imgdiff.models.zoo import Checkpoint, bind
from imgdiff.recipe.schema import Section
from imgdiff.recipe.source import Key

METHODS = {  # `method:` of a recipe, and its package here -> its schema
    "efuf": "EfufRecipe",
    "finetune": "FinetuneRecipe",
    "ohd_clip": "OhdClipRecipe",
    "seed": "SeedRecipe",
}


def method_module(method: str, name: str) -> ModuleType:
    """A module of a method's package."""
    return importlib.import_module(f"imgdiff.training.{method}.{name}")


class TrainerSettings(Section):
    """Settings of transformers' Trainer, by its names; what is not here keeps its default there."""

    learning_rate: float = Field(gt=0, le=1)  # the peak
    num_train_epochs: float = Field(1.0, gt=0)
    max_steps: int = Field(-1, ge=-1)  # optimiser steps, in place of epochs; -1: by epochs
    per_device_train_batch_size: int = Field(8, ge=1)
    gradient_accumulation_steps: int = Field(1, ge=1)
    warmup_steps: int = Field(0, ge=0)
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    bf16: bool = False  # mixed precision; the optimiser keeps float32
    fp16: bool = False
    gradient_checkpointing: bool = False  # less memory for a third more time
    dataloader_num_workers: int = Field(0, ge=0, le=64)
    logging_steps: int = Field(10, ge=1)
    save_steps: int = Field(200, ge=1)  # what a killed training loses at most
    save_total_limit: int = Field(2, ge=1)


class LowRankAdapter(Section):
    """Low-rank changes of linear layers (LoRA), which are trained in place of their weights."""

    rank: int = Field(16, ge=1, le=1024)
    alpha: float = Field(32.0, gt=0)  # what they add is scaled by alpha / rank
    target_modules: list[str] = Field([])  # last parts of names: q_proj; none: all linear layers


class TrainingRecipe(Section):
    """The keys that all methods share. A method's own class adds its data and its loss."""

    role: ClassVar[str]  # what the trained model is for, and so which one `embedded` means

    project_name: str = Field(min_length=1)
    method: str
    model: str | dict[str, Any] = "embedded"  # folder, Hub name, or fields of a Checkpoint
    export_path: Annotated[str, AfterValidator(path_name)] = Field(min_length=1)
    seed: int = Field(42, ge=0, lt=2**32)
    trainer: TrainerSettings

    def checkpoint(self) -> Checkpoint:
        """The model that the training starts from.

        Raises:
            ValueError: `model` names none that can be trained; the message says why.
        """
        bound = bind({self.role: self.model})[self.role]
        if not isinstance(bound, Checkpoint):
            raise ValueError("a server's model cannot be trained: name a folder or a Hub name")
        if problem := bound.problem():
            raise ValueError(problem)
        if bound.dtype == "float16":
            raise ValueError("float16 overflows in training: set dtype to bfloat16 or float32")
        if bound.dtype == "bfloat16" and not self.trainer.bf16:
            raise ValueError("dtype bfloat16 needs trainer.bf16: true")
        return bound

    def missing(self) -> Iterable[tuple[Key, str]]:
        """(setting, what is not there and how to make it) for data that earlier steps make: a
        recipe may be checked before it is there, but not trained."""
        return ()
