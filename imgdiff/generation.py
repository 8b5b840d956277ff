"""What the operators that generate images share: settings, and how rows end that give no image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from imgdiff.data.rows import Row
from imgdiff.operator import Params

if TYPE_CHECKING:
    import numpy as np

FLAT = 1.0 / 255  # standard deviation of a picture that shows nothing


class GenerationParams(Params):
    batch_size: int = Field(8, ge=1, le=64, description="rows drawn at once")
    num_inference_steps: int = Field(50, ge=1, le=200)
    guidance_scale: float = Field(7.5, ge=0, le=30)
    side: int | None = Field(
        None, ge=64, le=2048, multiple_of=8, description="pixels; the model's own if null"
    )


def captions_fit(
    row: Row, operator: str, prompt_limit: Callable[[str], tuple[int, int]], *captions: str
) -> bool:
    """Whether the text encoder reads all of the captions; else the row is rejected."""
    tokens, limit = max(prompt_limit(caption) for caption in captions)
    if tokens > limit:
        message = f"caption has {tokens} tokens, the text encoder reads {limit}"
        row.reject(operator, "caption_too_long", message)
    return row.ok


def is_finite(row: Row, operator: str, drawn: np.ndarray) -> bool:
    """Whether the model gave numbers; else the row fails."""
    import numpy as np

    if not np.isfinite(drawn).all():
        row.fail(operator, "image_nan", "the model gave NaN; use bfloat16 or float32")
    return row.ok


def refuse_flat(row: Row, operator: str, *pictures: np.ndarray) -> None:
    """Reject a row if one of its pictures ([H, W, 3] float32 in [0, 1]) shows nothing."""
    if min(float(picture.std()) for picture in pictures) < FLAT:
        row.reject(operator, "image_flat", "an image shows nothing")


def to_pixels(drawn: np.ndarray) -> np.ndarray:
    """Float in [0, 1] to uint8."""
    import numpy as np

    return (drawn * 255).round().astype(np.uint8)
