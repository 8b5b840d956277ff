"""Small pictures that travel inside the page."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from imgdiff.data.images import load_rgb
from imgdiff.errors import RowError

SIDE = 320  # pixels of the longer side, at most
QUALITY = 90


@dataclass(frozen=True)
class Thumbnail:
    """uri: a `data:` address. width, height: of the full picture, the pixels of its boxes."""

    uri: str
    width: int
    height: int


def thumbnail(image: dict[str, Any] | None, side: int = SIDE) -> Thumbnail | None:
    """The picture, its longer side at most `side`; None if there is none or it is unreadable."""
    if image is None:
        return None
    try:
        return shrunk(load_rgb(image), side)
    except RowError:
        return None


def shrunk(array: np.ndarray, side: int = SIDE) -> Thumbnail:
    """A picture [H, W, 3] uint8, its longer side at most `side`."""
    picture = Image.fromarray(array)
    width, height = picture.size
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(
        buffer, "JPEG", quality=QUALITY, subsampling=0
    )  # full colour: toy edges stay sharp
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Thumbnail(uri, width, height)
