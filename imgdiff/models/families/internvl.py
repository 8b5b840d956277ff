"""InternVL 3 and 3.5, the checkpoints whose names end in -HF: several pictures; boxes are named by
thousandths of the picture, between two tokens of their own."""

from collections.abc import Sequence

import numpy as np

from imgdiff.models.asking import AskingProfile, thousandths


class InternVl(AskingProfile):
    region = "Please provide a short description for this region: <box>[{box}]</box>"
    several = True
    marks = ("<box>", "</box>")

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        return picture, thousandths(box)
