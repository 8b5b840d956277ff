"""The models that the finetuning benchmark compares: the one before, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.train import __main__ as embedded
from imgdiff.training.check import check_training
from imgdiff.training.start import train

ROLE = "mllm_single"
Sources = Sequence[Mapping[str, Any]]  # as a training recipe's `data`


@dataclass(frozen=True)
class Settings:
    """Of every finetuning; `steps` of 16 examples."""

    steps: int = 240
    learning_rate: float = 1e-3


def before(folder: Path) -> Path:
    """The MLLM that was never asked for a difference: trained now, unless the folder has it."""
    model = folder / ROLE / "model"
    if not (model / "model.safetensors").exists():
        embedded.train_role(ROLE, embedded.STEPS[ROLE], folder, EMBEDDED_WEIGHTS)
    return model


def finetuned(folder: Path, start: Path, data: Sources, seed: int, settings: Settings) -> Path:
    """`start` after a finetuning on `data` by `imgdiff train`: done now, or gone on with."""
    recipe = {
        "project_name": folder.name,
        "method": "finetune",
        "model": str(start),
        "export_path": str(folder),
        "seed": seed,
        "data": [dict(source) for source in data],
        "trainer": {
            "learning_rate": settings.learning_rate,
            "max_steps": settings.steps,
            "per_device_train_batch_size": 16,
            "warmup_steps": settings.steps // 20,
            "weight_decay": 0.01,
            "logging_steps": 20,
            "save_steps": 40,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "recipe.yaml"
    written.write_text(yaml.safe_dump(recipe, sort_keys=False))
    if code := train(check_training(written), restart=False):
        raise SystemExit(code)
    return folder / "model"


def load(model: Path) -> ImageTextToText:
    return ImageTextToText.load(Checkpoint(name=str(model)))
