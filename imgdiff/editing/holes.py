"""What is to be erased: a picture and a mask; what the result is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Hole:
    """A picture and the part of it that is to be drawn anew.

    image: [H, W, 3] uint8 RGB of any size. mask: [H, W] bool. seed: of the noise. prompt: what is
    to be there. negative_prompt: what is not to be there, None for the pipeline's own idea of
    nothing; without guidance it does nothing.
    """

    image: np.ndarray
    mask: np.ndarray
    seed: int
    prompt: str
    negative_prompt: str | None = None


def dilated(mask: np.ndarray, share: float) -> np.ndarray:
    """A mask, [H, W] bool, grown on all sides by a share of the longer side of the image."""
    import cv2
    import numpy as np

    reach = round(share * max(mask.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


def composed(hole: Hole, painted: np.ndarray) -> np.ndarray:
    """What was painted ([H, W, 3] float in [0, 1]) inside the mask, and the image itself outside,
    bit for bit: [H, W, 3] uint8."""
    import numpy as np

    pixels = (painted * 255).round().astype(np.uint8)
    return np.where(hole.mask[..., None], pixels, hole.image)
