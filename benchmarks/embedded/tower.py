"""A CLIP as the embedded MLLM's eye: what the MLLM says once its projector has adapted to it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hallucination_parts.changes import (
    accuracy,
    chair_i,
    difference,
    f1,
    level,
    of_all,
    recall,
    yes_rate,
)
from hallucination_parts.scenes import HeldOutScenes, Said

from embedded.figures import Figure
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.train.mllm import train_projector
from imgdiff.toyland.train.save import save_mllm

STATISTICS = {  # name -> meaning, which counts, statistic
    "pope_accuracy": ("POPE: accuracy", of_all, accuracy),
    "pope_f1": ("POPE: F1", of_all, f1),
    "pope_yes": ("POPE: share of yes", of_all, yes_rate),
    "chair_i": ("CHAIR: mentions that are hallucinated", lambda s: s.captions, chair_i),
    "chair_s": (
        "CHAIR: captions with a hallucinated mention",
        lambda s: np.stack([s.captions[:, 0] > 0, s.captions[:, 5]], 1).astype(float),
        lambda n: n[..., 0] / n[..., 1],
    ),
    "chair_recall": ("CHAIR: true objects named", lambda s: s.captions, recall),
}


def said_through(clip: Path, folder: Path, steps: int, scenes: HeldOutScenes) -> Said:
    """What the embedded MLLM says on a CLIP's tower, its projector retrained for so many steps; a
    training that `folder` holds is not done again."""
    model = folder / "model"
    if not model.is_dir():
        save_mllm(train_projector(folder, steps, EMBEDDED_WEIGHTS / "mllm", clip), model)
    return scenes.said_by(ImageTextToText.load(Checkpoint(name=str(model))))


def tower_figures(control: Said, tuned: Said) -> list[Sequence[Figure]]:
    """Of every statistic: the control, the tuned tower, the change in points, paired by image."""
    return [
        (
            level(f"mllm_{name}_control", meaning, counts(control), statistic),
            level(f"mllm_{name}_tuned", meaning, counts(tuned), statistic),
            difference(f"mllm_{name}_change", meaning, counts(control), counts(tuned), statistic),
        )
        for name, (meaning, counts, statistic) in STATISTICS.items()
    ]
