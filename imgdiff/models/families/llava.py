"""LLaVA-1.5.

It was trained on squares, pictures padded with the mean colour, and names boxes by shares of them.
The processor of its checkpoints would cut off the sides of a wide picture, so it is padded before.
"""

from collections.abc import Sequence

import numpy as np

from imgdiff.data.images import pad_to_square
from imgdiff.models.asking import AskingProfile, in_square, mean_colour, two_decimals


class Llava15(AskingProfile):
    region = "Please provide a short description for this region: {box}."

    def shown(self, picture: np.ndarray) -> np.ndarray:
        return pad_to_square(picture, mean_colour(self.image_processor))

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        return picture, two_decimals(in_square(picture, box))
