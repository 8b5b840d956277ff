"""Several edits of one source, and which of them came out best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from imgdiff.editing.edits import Edit, Windows

if TYPE_CHECKING:
    import numpy as np

    from imgdiff.models.roles import Clip

Score = Literal["clip_direction", "clip_caption"]


def with_shorter_windows(edit: Edit, count: int) -> tuple[Edit, ...]:
    """`count` versions of an edit: itself, then with ever shorter windows, down to a `count`th.

    The longer the source's attention is taken over, the more of the picture stays, and the less
    room the new words have; how long is long enough differs from pair to pair.
    """
    whole = edit.windows
    shares = [(count - k) / count for k in range(count)]
    return tuple(
        replace(
            edit,
            windows=Windows(whole.self_steps * left, whole.cross_steps * left, whole.self_side),
        )
        for left in shares
    )


def candidate_scores(
    score: Score, clip: Clip, captions: tuple[str, str], images: Sequence[np.ndarray]
) -> list[float]:
    """How good each edited image is, in [-1, 1].

    Args:
        score: clip_direction is the cosine between what changed in the image and what changed in
            the caption, both as differences of CLIP vectors (Gal et al. 2021, arXiv 2108.00946,
            section 3.3; InstructPix2Pix chooses its pairs by it); clip_caption is that of image
            and new caption.
        captions: of the source, and of all its edits.
        images: source and edits, [H, W, 3] uint8 each.

    Returns:
        One score for each edit; 0 for an image that is the source's.
    """
    import numpy as np

    texts, pictures = clip.embed_texts(captions), clip.embed_images(images)
    if score == "clip_caption":
        return [float(value) for value in pictures[1:] @ texts[1]]
    wanted, made = texts[1] - texts[0], pictures[1:] - pictures[0]
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(wanted)
    return [float(value) for value in made @ wanted / np.maximum(lengths, 1e-6)]
