"""What the two image-text filters share: crops of both images, each against a text of its own."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, model_validator

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.families import TELL_PROBABILITY
from imgdiff.operator import Params, RegionFilter


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
    prefix: ClassVar[str]  # of the scores: {prefix}_itc_a, ...
    too_low: ClassVar[str]  # reason code

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self._asks_itm:
            self.asks = {"matcher": TELL_PROBABILITY}
        asked = ("itc", "itm") if self._asks_itm else ("itc",)
        self.region_scores = tuple(
            f"{self.prefix}_{score}_{side}" for score in asked for side in "ab"
        )
        if getattr(self.params, "rule", "all") == "any":
            self.any_of = tuple(
                tuple(f"{self.prefix}_{score}_{side}" for score in asked) for side in "ab"
            )

    @property
    def _asks_itm(self) -> bool:
        """Whether a limit needs the matching head, which takes longer than all the rest."""
        return getattr(self.params, "min_itm", None) is not None

    def setup(self, models: Models) -> None:
        self.matcher = models.matcher()

    @abstractmethod
    def texts(self, row: Row, region: Region) -> tuple[str, str]:
        """What A's crop and B's crop should show; nothing is asked of a crop whose text is
        empty."""

    def score(self, rows: Sequence[Row]) -> None:
        crops, texts, places = [], [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                sides = zip("ab", pictures, self.texts(row, region), strict=True)
                for side, picture, text in sides:
                    if text:
                        crops.append(images.square_crop(picture, region.box_xyxy))
                        texts.append(text)
                        places.append((region, side))
        if not places:
            return
        itc, itm = self.matcher.match(crops, texts, self._asks_itm)  # one each a crop
        for n, (region, side) in enumerate(places):
            region.scores[f"{self.prefix}_itc_{side}"] = float(itc[n])
            if itm is not None:
                region.scores[f"{self.prefix}_itm_{side}"] = float(itm[n])

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        wanted = all if self.params.rule == "all" else any
        for region in regions:
            asked = [side for side in "ab" if f"{self.prefix}_itc_{side}" in region.scores]
            if not wanted([self._fits(region, side) for side in asked]):
                region.reject(self.name, self.too_low)

    def _fits(self, region: Region, side: str) -> bool:
        """Whether every limit is met. Each score is looked up, also where another one decides: a
        stored region that lacks one has to be scored anew, by whichever limits it is decided."""
        met = [
            region.scores[name] >= limit
            for name, (limit, _) in self.thresholds().items()
            if limit is not None and name.endswith(f"_{side}")
        ]
        return all(met)
