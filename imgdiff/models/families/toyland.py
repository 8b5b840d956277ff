"""The embedded MLLM, a small LLaVA that was trained on grey-padded pictures of toyland and on the
words of `imgdiff.text.prompts`. Its config.json says `imgdiff_family: toyland`."""

from collections.abc import Sequence

import numpy as np

from imgdiff.data.images import pad_to_square
from imgdiff.models.asking import AskingProfile, in_square, two_decimals


class Toyland(AskingProfile):
    def shown(self, picture: np.ndarray) -> np.ndarray:
        return pad_to_square(picture)

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        return picture, two_decimals(in_square(picture, box))
