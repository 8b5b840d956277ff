"""How well a CLIP's cosines tell changed regions from unchanged ones, at equal yield.

As many regions are kept as really changed, those of the lowest cosine: then precision and recall
are one number, and CLIPs whose cosines lie elsewhere can be compared without a threshold.
"""

from collections.abc import Sequence

import numpy as np

from embedded.figures import Figure, share
from imgdiff.data import images
from imgdiff.models.roles import Clip
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.pairs import RenderedPair

KINDS = ("replaced", "recoloured")


def filter_figures(clip: Clip, pairs: Sequence[RenderedPair], suffix: str) -> list[Figure]:
    """`region_difference_filter` on the crops of the old object's box, and
    `region_caption_similarity_filter` on right captions of both, which for an unchanged region say
    the same in other words."""
    cosines = {
        "crops": crop_cosines(clip, pairs),
        "captions": caption_cosines(clip, pairs),
    }
    return [
        share(
            f"{what}_{kind}_{suffix}",
            f"{what}, {kind} against unchanged",
            kept(values, pairs, kind),
        )
        for what, values in cosines.items()
        for kind in KINDS
    ]


def crop_cosines(clip: Clip, pairs: Sequence[RenderedPair]) -> np.ndarray:
    """[N] float32, of both images' crops by the box of A's object, as the filter cuts them."""
    crops = [images.square_crop(p, pair.boxes_xyxy[0]) for pair in pairs for p in pair.images]
    vectors = np.concatenate(
        [clip.embed_images(crops[k : k + 64]) for k in range(0, len(crops), 64)]
    )
    return (vectors[0::2] * vectors[1::2]).sum(1)


def caption_cosines(clip: Clip, pairs: Sequence[RenderedPair]) -> np.ndarray:
    """[N] float32."""
    left = clip.embed_texts([phrase(pair.old) for pair in pairs])
    right = clip.embed_texts([f"a picture with {phrase(pair.new)}" for pair in pairs])
    return (left * right).sum(1)


def kept(cosines: np.ndarray, pairs: Sequence[RenderedPair], kind: str) -> list[bool]:
    """Which of the regions kept really changed, among those of a kind and the unchanged ones."""
    some = [k for k, pair in enumerate(pairs) if pair.kind in (kind, "unchanged")]
    changed = np.array([pairs[k].kind == kind for k in some])
    lowest = np.argsort(cosines[some], kind="stable")[: changed.sum()]
    return changed[lowest].tolist()
