"""How well an image shows a phrase: CLIP's cosines with windows that slide over it (EFUF, section
3.2), put together as in the paper or as in its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from imgdiff.data.images import crop

if TYPE_CHECKING:
    import numpy as np

    from imgdiff.models.roles import Clip

PHRASE = "{phrase}"  # stands for the phrase in a template
TEMPLATE = f"A photo containing {PHRASE}."
TOP_PATCHES = 4  # that a score is the mean of, in EFUF's code
Aggregate = Literal["max", "top_patches"]


def sliding_windows(high: int, wide: int, window: float, stride: float) -> np.ndarray:
    """[W, 4] int64, xyxy pixels: squares that cover an image, row by row.

    EFUF's windows of 192 pixels move by 48 pixels, on COCO's images of 640 x 480.

    Args:
        window: side of a square, as a share of the image's shorter side.
        stride: largest step from one to the next, likewise; the steps are made equal.
    """
    import numpy as np

    side = max(1, round(window * min(high, wide)))
    step = max(1, round(stride * min(high, wide)))
    tops, lefts = (
        np.linspace(0, length - side, -(-(length - side) // step) + 1).astype(np.int64)
        for length in (high, wide)
    )
    places = np.stack(np.meshgrid(lefts, tops), -1).reshape(-1, 2)  # x, y
    return np.concatenate([places, places + side], 1)


def patch_scores(seen: np.ndarray, windows: np.ndarray, stride: float) -> np.ndarray:
    """[P, T]: the mean of the windows that cover a patch, for all patches of an image.

    Args:
        seen: [W, T] cosines of every window with every phrase.
        windows: [W, 4] xyxy pixels, as `sliding_windows` gives them.
        stride: side of a patch, as a share of the image's shorter side.
    """
    import numpy as np

    wide, high = windows[:, 2:].max(0)
    step = max(1, round(stride * min(high, wide)))
    x, y = ((np.arange(-(-length // step)) + 0.5) * step for length in (wide, high))
    centres = np.stack(np.meshgrid(x.clip(max=wide - 1), y.clip(max=high - 1)), -1).reshape(-1, 2)
    inside = (windows[:, None, :2] <= centres) & (centres < windows[:, None, 2:])
    covers = inside.all(-1).astype(np.float32)  # [W, P]
    return (covers.T @ seen) / covers.sum(0)[:, None]


def aggregated(
    seen: np.ndarray, windows: np.ndarray, stride: float, aggregate: Aggregate
) -> np.ndarray:
    """[T] float32 in [-1, 1]: one score for each phrase.

    seen: [W, T] cosines.
    max: of the best window (the paper). top_patches: the mean of the TOP_PATCHES best patches (its
    code); lower, so that thresholds of one do not fit the other.
    """
    import numpy as np

    if aggregate == "max":
        return seen.max(0)
    best = np.sort(patch_scores(seen, windows, stride), axis=0)[-TOP_PATCHES:]
    return best.mean(0).astype(np.float32)


class PhraseScorer:
    """Scores phrases against images: every picture and every text goes through CLIP once."""

    def __init__(self, clip: Clip, template: str) -> None:
        """template: what is said of a phrase, with PHRASE in its place."""
        self.clip, self.template = clip, template

    def in_windows(
        self,
        pictures: Sequence[np.ndarray],
        phrases: Sequence[Sequence[str]],
        window: float,
        stride: float,
        aggregate: Aggregate,
    ) -> list[np.ndarray]:
        """For each picture ([H, W, 3] uint8 RGB) the scores [T] float32 in [-1, 1] of its own
        phrases, by windows that slide over it."""
        shapes = [picture.shape[:2] for picture in pictures]
        windows = [sliding_windows(high, wide, window, stride) for high, wide in shapes]
        parts = (
            [crop(picture, box) for box in boxes]
            for picture, boxes in zip(pictures, windows, strict=True)
        )
        texts = self.embed_texts(phrases)
        scores = []
        for some, boxes, said in zip(parts, windows, phrases, strict=True):
            found = cosines(self.clip.embed_images(some), [texts[text] for text in said])
            scores.append(aggregated(found, boxes, stride, aggregate))
        return scores

    def of_pictures(
        self, pictures: Sequence[np.ndarray], phrases: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """For each picture, such as a region's crop, the scores [T] of its own phrases, the picture
        seen as a whole."""
        if not pictures:
            return []
        texts, seen = self.embed_texts(phrases), self.clip.embed_images(pictures)
        return [
            cosines(vector[None], [texts[text] for text in said])[0]
            for vector, said in zip(seen, phrases, strict=True)
        ]

    def embed_texts(self, phrases: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """Phrase -> unit vector [D] of what the template says of it."""
        different = list(dict.fromkeys(text for said in phrases for text in said))
        said = [self.template.replace(PHRASE, text) for text in different]
        return dict(zip(different, self.clip.embed_texts(said) if said else (), strict=True))


def cosines(images: np.ndarray, texts: Sequence[np.ndarray]) -> np.ndarray:
    """[W, T] float32 of unit vectors [W, D] and T times [D]; 1 + 1e-7 counts as 1."""
    import numpy as np

    if not texts:
        return np.zeros((len(images), 0), np.float32)
    return (images @ np.stack(texts).T).clip(-1, 1)
