"""What the two image-text filters share: crops of both images, each against a text of its own."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import model_validator

from imgdiff import images
from imgdiff.models import Models
from imgdiff.operator import Params, RegionFilter
from imgdiff.rows import Region, Row


class MatchingParams(Params):
    rule: str
    min_itc: float | None
    min_itm: float | None

    @model_validator(mode="after")
    def _asks_something(self) -> "MatchingParams":
        if self.min_itc is None and self.min_itm is None:
            raise ValueError(
                "min_itc and min_itm are both null, so nothing is asked. Set one of them"
            )
        return self


class RegionMatchingFilter(RegionFilter):
    """Keeps regions whose crop of A fits a text, and (or) whose crop of B fits another."""

    roles = ("matcher",)
    prefix: ClassVar[str]  # of the four scores: {prefix}_itc_a, ...
    too_low: ClassVar[str]  # reason code

    def setup(self, models: Models) -> None:
        self.matcher = models.matcher()

    @abstractmethod
    def texts(self, row: Row, region: Region) -> tuple[str, str]:
        """What A's crop and B's crop should show."""

    def score(self, rows: Sequence[Row]) -> None:
        crops, regions = [], []
        texts: list[str] = []
        for row in rows:
            pictures = [images.load_rgb(row[key]) for key in ("image_a", "image_b")]
            for region in row.kept_regions:
                crops += [images.square_crop(p, region.box_xyxy) for p in pictures]
                texts += self.texts(row, region)
                regions.append(region)
        if not regions:
            return
        itc, itm = self.matcher.match(crops, texts)  # [2R] each, A and B in turn
        for k, region in enumerate(regions):
            for side, n in (("a", 2 * k), ("b", 2 * k + 1)):
                region.scores[f"{self.prefix}_itc_{side}"] = float(itc[n])
                region.scores[f"{self.prefix}_itm_{side}"] = float(itm[n])

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        wanted = all if self.params.rule == "all" else any
        for region in regions:
            if not wanted(self._fits(region, side) for side in "ab"):
                region.reject(self.name, self.too_low)

    def _fits(self, region: Region, side: str) -> bool:
        return all(
            region.scores[name] >= limit
            for name, (limit, _) in self.thresholds().items()
            if limit is not None and name.endswith(f"_{side}")
        )

    def thresholds(self) -> dict[str, tuple[float | None, float | None]]:
        limits = (("itc", self.params.min_itc), ("itm", self.params.min_itm))
        return {
            f"{self.prefix}_{kind}_{side}": (limit, None)
            for kind, limit in limits
            if limit is not None
            for side in "ab"
        }
