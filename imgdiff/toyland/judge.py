"""The judge: an independent convolutional network that says which things a toyland picture shows.

It shares no weights with the embedded models and is trained on rendered scenes alone
(`imgdiff.toyland.train.judge`), so benchmarks may ask it what a generated picture shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland.scenes import SIZE
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS

CELL = 4  # pixels
GRID = SIZE // CELL
LEAST_CELLS = 8  # of a thing, about a ninth of the smallest one
CHANNELS = (24, 48, 80, 96)  # at strides 2, 4, 8, 16


@dataclass(frozen=True)
class Seen:
    """A thing in a picture: `cells` is a [32, 32] bool map of cells of 4 pixels."""

    category: str
    colour: str
    cells: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.colour} {self.category}"


class Judge(nn.Module):
    """[N, 3, 128, 128] in [0, 1] -> logits [N, 1 + categories, 32, 32] of category (0 is ground)
    and [N, colours, 32, 32] of colour."""

    def __init__(
        self, categories: Sequence[str] = tuple(CATEGORIES), colours: Sequence[str] = tuple(COLOURS)
    ) -> None:
        super().__init__()
        self.categories, self.colours = tuple(categories), tuple(colours)
        two, four, eight, sixteen = CHANNELS
        self.stride_2 = nn.Sequential(_conv(3, two, stride=2), _Residual(two))
        self.stride_4 = nn.Sequential(_conv(two, four, stride=2), _Residual(four), _Residual(four))
        self.stride_8 = nn.Sequential(_conv(four, eight, stride=2))
        self.stride_8.extend([_Residual(eight) for _ in range(3)])
        self.stride_16 = nn.Sequential(_conv(eight, sixteen, stride=2))
        self.stride_16.extend([_Residual(sixteen) for _ in range(3)])
        self.lateral_8 = nn.Conv2d(eight, sixteen, 1)
        self.lateral_4 = nn.Conv2d(four, sixteen, 1)
        self.mix_8 = _conv(sixteen, sixteen)
        self.mix_4 = _conv(sixteen, four)
        self.category = nn.Conv2d(four, len(categories) + 1, 1)
        self.colour = nn.Conv2d(four, len(colours), 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        four = self.stride_4(self.stride_2(2 * images - 1))
        eight = self.stride_8(four)
        deep = self.stride_16(eight)
        deep = self.mix_8(self.lateral_8(eight) + F.interpolate(deep, scale_factor=2))
        deep = self.mix_4(self.lateral_4(four) + F.interpolate(deep, scale_factor=2))
        return self.category(deep), self.colour(deep)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


def _conv(inward: int, outward: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, stride, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU()
    )


def load_judge(folder: Path = EMBEDDED_WEIGHTS / "judge", judge: Judge | None = None) -> Judge:
    """The trained judge; into `judge`, if it is one of another world."""
    judge = judge or Judge()
    judge.load_state_dict(load_file(folder / "model.safetensors"))
    return judge.float().eval()


@torch.inference_mode()
def look(judge: Judge, images: Sequence[np.ndarray]) -> list[list[Seen]]:
    """The things in each picture, [128, 128, 3] uint8 RGB.

    Neighbouring cells of one category are one thing, if they are at least `LEAST_CELLS`.
    """
    result = []
    for start in range(0, len(images), 32):
        batch = np.stack(images[start : start + 32]).astype(np.float32) / 255
        category, colour = judge(torch.from_numpy(batch).permute(0, 3, 1, 2))
        pairs = zip(category.argmax(1).numpy(), colour.numpy(), strict=True)
        result += [_things(judge, *pair) for pair in pairs]
    return result


def _things(judge: Judge, category: np.ndarray, colour: np.ndarray) -> list[Seen]:
    things = []
    for number, name in enumerate(judge.categories, start=1):
        count, parts = cv2.connectedComponents((category == number).astype(np.uint8))
        for part in range(1, count):
            cells = parts == part
            if cells.sum() >= LEAST_CELLS:
                best = int(colour[:, cells].sum(1).argmax())
                things.append(Seen(name, judge.colours[best], cells))
    return things
