"""Keep of image pairs that look alike the first one."""

from array import array

from pydantic import Field

from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.operator import Params, Selector, register


class ImagePairDeduplicatorParams(Params):
    max_distance: int = Field(
        4,
        ge=0,
        le=32,
        description="bits, of 64, up to which hashes mean one image: a copy in another size or "
        "quality differs by 0 to 4, other scenes by 12 and more",
    )


@register("image_pair_deduplicator")
class ImagePairDeduplicator(Selector):
    """Refuse near-duplicates: pairs both of whose images look like those of a pair that was kept
    before, by the Hamming distance of their perceptual hashes."""

    stage = "selection"
    Params = ImagePairDeduplicatorParams
    reads = ("hash_a", "hash_b")
    scores = ("nearest_distance",)  # to a kept pair, the larger of its two images'; 0 to 64

    def setup(self, models: Models) -> None:
        self._ids: list[str] = []
        self._kept = array("Q"), array("Q")  # hashes of image_a and of image_b

    def decide(self, row: Row) -> None:
        import numpy as np

        if not self._ids:
            return  # the first pair is near to none
        distances = [
            np.bitwise_count(np.frombuffer(kept, np.uint64) ^ np.uint64(value))
            for kept, value in zip(self._kept, self._hashes(row), strict=True)
        ]
        farther = np.maximum(*distances)  # [kept pairs] uint8
        nearest = int(np.argmin(farther))
        row.scores["nearest_distance"] = float(farther[nearest])
        if farther[nearest] <= self.params.max_distance:
            apart = f"hashes at most {farther[nearest]} bits apart"
            text = f"both images look like those of {self._ids[nearest]} ({apart})"
            row.reject(self.name, "near_duplicate", text)

    def keep(self, row: Row) -> None:
        self._ids.append(row.id)
        for kept, value in zip(self._kept, self._hashes(row), strict=True):
            kept.append(value)

    def thresholds(self) -> dict[str, tuple[float | None, float | None]]:
        # a distance of max_distance is refused, and bits are whole numbers
        return {"nearest_distance": (self.params.max_distance + 1, None)}

    def _hashes(self, row: Row) -> tuple[int, ...]:
        return tuple(int(row[name], 16) for name in self.reads)
