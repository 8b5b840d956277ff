"""Qwen3-VL, dense or of experts: several pictures, boxes in thousandths of the picture."""

from collections.abc import Sequence

import numpy as np

from imgdiff.data.images import pad_to_square
from imgdiff.models.asking import AskingProfile, mean_colour, thousandths

STRIP = 200  # times as long as wide: from there on Qwen's processors refuse a picture


class Qwen3Vl(AskingProfile):
    region = 'What is inside {"bbox_2d": {box}}?'
    several = True

    def shown(self, picture: np.ndarray) -> np.ndarray:
        short, long = sorted(picture.shape[:2])
        if long < STRIP * short:
            return picture
        return pad_to_square(picture, mean_colour(self.image_processor))

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        return picture, thousandths(box)
