"""Qwen2.5-VL: several pictures, boxes in pixels of the picture that its processor makes.

That picture's sides are multiples of 28 pixels, so that a small one loses its shape: small pictures
are enlarged before.
"""

import math
from collections.abc import Sequence

import numpy as np

from imgdiff.data.images import REFERENCE_SIDE, resize
from imgdiff.models.families.qwen3_vl import Qwen3Vl

CELL = 28  # pixels: two patches of 14 become one token
LEAST_PIXELS, MOST_PIXELS = 4 * CELL**2, 16384 * CELL**2  # of the published processors
SHORTEST = 8 * CELL  # side of a picture; rounding to CELL changes its shape by a sixteenth at most


class Qwen25Vl(Qwen3Vl):
    region = 'Describe the object in {"bbox_2d": {box}}.'

    def shown(self, picture: np.ndarray) -> np.ndarray:
        picture = super().shown(picture)
        high, wide = picture.shape[:2]
        scale = min(SHORTEST / min(high, wide), REFERENCE_SIDE / max(high, wide))
        return picture if scale <= 1 else resize(picture, round(wide * scale), round(high * scale))

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        high, wide = self._resized(*self.shown(picture).shape[:2])
        return picture, [
            str(round(share * size))
            for share, size in zip(box, (wide, high, wide, high), strict=True)
        ]

    def _resized(self, high: int, wide: int) -> tuple[int, int]:
        """Height and width that the processor gives a picture."""
        bounds = getattr(self.image_processor, "size", {})
        least = bounds.get("shortest_edge") or LEAST_PIXELS
        most = bounds.get("longest_edge") or MOST_PIXELS
        rows, columns = (max(1, round(side / CELL)) for side in (high, wide))
        if rows * columns * CELL**2 > most:
            shrunk = math.sqrt(most / (high * wide)) / CELL
            rows, columns = (max(1, math.floor(side * shrunk)) for side in (high, wide))
        elif rows * columns * CELL**2 < least:
            grown = math.sqrt(least / (high * wide)) / CELL
            rows, columns = (math.ceil(side * grown) for side in (high, wide))
        return rows * CELL, columns * CELL
