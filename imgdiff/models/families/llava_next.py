"""LLaVA-1.6 (LLaVA-NeXT).

Its processor cuts nothing off. Sources differ on whether it names boxes by shares of the picture or
of the padded square; where a box is named the picture is padded, so that both are the same.
"""

from collections.abc import Sequence

import numpy as np

from imgdiff.data.images import pad_to_square
from imgdiff.models.asking import AskingProfile, in_square, mean_colour, two_decimals


class Llava16(AskingProfile):
    region = "Please provide a short description for this region: {box}."

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        square = pad_to_square(picture, mean_colour(self.image_processor))
        return square, two_decimals(in_square(picture, box))
