"""The matcher role by a model of the clip role: cosines alone."""

from collections.abc import Sequence

import numpy as np

from imgdiff.models.kinds import family_of
from imgdiff.models.roles import Clip, Matched
from imgdiff.models.zoo import Checkpoint


class Cosines:
    """Has no matching head, so that no probability can be had of it."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Cosines":
        return cls(family_of("clip", checkpoint).load(checkpoint))

    def match(
        self, pictures: Sequence[np.ndarray], texts: Sequence[str], itm: bool = False
    ) -> Matched:
        if itm:
            raise NotImplementedError("a model without a matching head gives no probability")
        seen, read = self.clip.embed_images(pictures), self.clip.embed_texts(texts)
        return np.sum(seen * read, axis=1).clip(-1, 1), None
