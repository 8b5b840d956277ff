"""The judge of benchmarks: what stands in each cell of a scene.

Data: scenes of the judge's split drawn afresh, one in five with a (category, colour) that no other
model is trained on, half of them softened. Loss: cross-entropy of the category in every cell, where
cells of things count three times, and of the colour in those.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgdiff.toyland.judge import CELL, Judge
from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.sampling import generator, judge_scene
from imgdiff.toyland.world.views import whole
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS

BATCH = 32
THING_WEIGHT = 3.0


def new_model() -> Judge:
    return Judge(tuple(CATEGORIES), tuple(COLOURS))


def train(folder: Path, steps: int) -> Judge:
    torch.manual_seed(0)
    judge = new_model().to(device())
    judge.to(memory_format=torch.channels_last)
    weight = torch.full((len(CATEGORIES) + 1,), THING_WEIGHT, device=device())
    weight[0] = 1.0

    def losses(step: int) -> dict[str, Tensor]:
        seeds = [step * BATCH + k for k in range(BATCH)]
        views = [whole(judge_scene(seed), generator("judge", seed)) for seed in seeds]
        pixels = torch.from_numpy(np.stack([view.image for view in views])).to(device())
        labels = np.stack([view.labels[CELL // 2 :: CELL, CELL // 2 :: CELL] for view in views])
        truth = torch.from_numpy(labels.astype(np.int64)).to(device())
        category, colour = judge(pixels.permute(0, 3, 1, 2).float() / 255)
        return {
            "category": F.cross_entropy(category.float(), truth[..., 0], weight),
            # 0 is the ground, which has none
            "colour": F.cross_entropy(colour.float(), truth[..., 1] - 1, ignore_index=-1),
        }

    fit(judge, losses, Schedule(steps=steps, lr=2e-3), folder)
    return judge
