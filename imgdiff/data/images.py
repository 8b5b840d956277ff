"""Pictures: from and to bytes, crops, squares, marks. Arrays are [H, W, 3] uint8 RGB throughout."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from imgdiff.data.picture_files import open_picture, orientation, without_metadata
from imgdiff.data.rows import Row
from imgdiff.errors import RowError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

GREY = 127  # what squares are filled up with
RED = (255, 0, 0)
BOX_WIDTH, BOX_MARGIN, BAR_WIDTH = 3, 5, 20  # pixels at REFERENCE_SIDE (Img-Diff, section 3.4)
REFERENCE_SIDE = 1024


def load_rgb(image: dict[str, Any], max_pixels: int | None = None) -> np.ndarray:
    """Decode a stored image: EXIF rotation applied, transparency on white, 16-bit scaled to 8.

    Args:
        image: `{"bytes": ..., "path": ...}` as `datasets` stores it; the path only names it in
            messages.
        max_pixels: larger pictures are refused before they are decoded. The reader asks for that; a
            picture of a row was read by it, or made here.

    Raises:
        RowError: image_empty, image_unreadable, image_truncated, image_too_large or image_mode.
    """
    name = image.get("path") or "image"
    return _array(open_picture(image["bytes"], name, max_pixels), name)


def take_in(image: dict[str, Any], name: str, max_pixels: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Decode a picture from outside; returns its pixels and the picture to store, which says
    nothing of the place, the time and the person, and which every reader decodes to these pixels.

    A file keeps its compression where it can, else it becomes PNG.

    Args:
        name: for messages, where the picture has no path.

    Raises:
        RowError: as of `load_rgb`.
    """
    path = image["path"]
    picture = open_picture(image["bytes"], path or name, max_pixels)
    array = _array(picture, path or name)
    content = without_metadata(image["bytes"], picture)
    if content is not None:
        return array, {"bytes": content, "path": path}
    profile = picture.info.get("icc_profile") if picture.mode in ("RGB", "RGBA") else None
    renamed = path and str(PurePath(path).with_suffix(".png"))
    return array, encode_png(array, profile) | {"path": renamed}


def load_pair(row: Row) -> list[np.ndarray]:
    """Image A and image B of a row, as `load_rgb` gives them."""
    return [load_rgb(row[name]) for name in ("image_a", "image_b")]


def _array(picture: Image.Image, name: str) -> np.ndarray:
    import numpy as np
    from PIL import ImageOps

    if orientation(picture) != 1:  # a broken EXIF is none
        picture = ImageOps.exif_transpose(picture)
    return np.array(_to_rgb(picture, name))  # a copy: writable


def _to_rgb(picture: Image.Image, name: str) -> Image.Image:
    import numpy as np
    from PIL import Image

    if picture.mode in ("I;16", "I;16B", "I;16L"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    if picture.mode in ("1", "L", "P", "RGB", "CMYK", "YCbCr"):
        return picture.convert("RGB")
    raise RowError("image_mode", f"{name}: image mode {picture.mode} is not supported")


def encode_png(array: np.ndarray, colour_profile: bytes | None = None) -> dict[str, Any]:
    """Store a picture without loss: compressed noise would read as a difference later."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", icc_profile=colour_profile)
    return {"bytes": buffer.getvalue(), "path": None}


def perceptual_hash(array: np.ndarray) -> str:
    """What a picture looks like in 64 bits (ImageHash's phash), as 16 hexadecimal digits."""
    import imagehash
    from PIL import Image

    return str(imagehash.phash(Image.fromarray(array)))


def resize(array: np.ndarray, wide: int, high: int) -> np.ndarray:
    """Brought to another size without aliasing (Lanczos)."""
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(array).resize((wide, high), Image.Resampling.LANCZOS))


def decode_mask(mask: dict[str, list[int]]) -> np.ndarray:
    """A region's mask as [H, W] bool."""
    import numpy as np

    high, wide = mask["size"]
    inside = np.arange(len(mask["counts"])) % 2 == 1
    return inside.repeat(mask["counts"]).reshape(wide, high).T


def crop(array: np.ndarray, box_xyxy: Sequence[float] | np.ndarray) -> np.ndarray:
    """The part inside a box whose edges are rounded outwards and clamped; at least one pixel."""
    import numpy as np

    high, wide = array.shape[:2]
    left, top = (
        int(np.clip(np.floor(v), 0, limit - 1))
        for v, limit in zip(box_xyxy[:2], (wide, high), strict=True)
    )
    right = int(np.clip(np.ceil(box_xyxy[2]), left + 1, wide))
    bottom = int(np.clip(np.ceil(box_xyxy[3]), top + 1, high))
    return array[top:bottom, left:right]


def shrink(array: np.ndarray) -> np.ndarray:
    """The picture, of at most REFERENCE_SIDE pixels a side: no model sees more of what it is shown,
    and many wait in memory together."""
    high, wide = array.shape[:2]
    scale = REFERENCE_SIDE / max(high, wide)
    if scale >= 1:
        return array
    return resize(array, max(1, round(wide * scale)), max(1, round(high * scale)))


def square_crop(array: np.ndarray, box_xyxy: Sequence[float] | np.ndarray) -> np.ndarray:
    """The part inside a box, shrunk where it is large, in the middle of a square."""
    return pad_to_square(shrink(crop(array, box_xyxy)))


def pad_to_square(array: np.ndarray, fill: int | tuple[int, ...] = GREY) -> np.ndarray:
    """Centred on a square of its longer side; processors that cut the centre then lose nothing.

    fill: of the border, one value for each channel or one for all.
    """
    import numpy as np

    high, wide, channels = array.shape
    side = max(high, wide)
    square = np.full((side, side, channels), fill, np.uint8)
    top, left = (side - high) // 2, (side - wide) // 2
    square[top : top + high, left : left + wide] = array
    return square


def stretch_to_square(array: np.ndarray) -> np.ndarray:
    """A square of the longer side, at most REFERENCE_SIDE; a square picture as it is.

    For whole pictures, of which a processor may cut the centre. Bars around them, as of
    `pad_to_square`, would be the same in both images of a pair and make them more alike.
    """
    high, wide = array.shape[:2]
    side = min(max(high, wide), REFERENCE_SIDE)
    return array if high == wide else resize(array, side, side)


def draw_box(array: np.ndarray, box_xyxy: Sequence[float] | np.ndarray) -> np.ndarray:
    """A copy with a red box around `box_xyxy`, margin added, clamped to the image (Img-Diff,
    section 3.4)."""
    import cv2

    high, wide = array.shape[:2]
    scale = max(high, wide) / REFERENCE_SIDE
    line = max(1, round(BOX_WIDTH * scale))
    margin = BOX_MARGIN * scale
    left, top = (max(0, round(v - margin)) for v in box_xyxy[:2])
    right, bottom = (
        min(limit - 1, round(v + margin))
        for v, limit in zip(box_xyxy[2:], (wide, high), strict=True)
    )
    return cv2.rectangle(array.copy(), (left, top), (right, bottom), RED, line)


def joined_view(
    image_a: np.ndarray,
    image_b: np.ndarray,
    box_xyxy: Sequence[float] | np.ndarray,
    left: Literal["a", "b"] = "a",
) -> np.ndarray:
    """Both images of a pair as one picture, a red box drawn in each; `left` names the one that
    stands left."""
    marked = [draw_box(image, box_xyxy) for image in (image_a, image_b)]
    return side_by_side(*(marked if left == "a" else reversed(marked)))


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of one height side by side, with a black bar between them."""
    import numpy as np

    bar = max(1, round(BAR_WIDTH * max(left.shape[:2]) / REFERENCE_SIDE))
    return np.concatenate([left, np.zeros((left.shape[0], bar, 3), np.uint8), right], axis=1)
