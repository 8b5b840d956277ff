"""Areas whose scores stand in the caption: `60-20-50` is an area that three filters give 0.6, 0.2
and 0.5. For tests of limits that are told from ratings."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from imgdiff.data.rows import Region
from imgdiff.operator import Mapper, Params, Range, RegionFilter, register


def note(name):
    with Path("calls.txt").open("a") as file:
        file.write(name + "\n")


@register("scored_area_mapper")
class ScoredAreaMapper(Mapper):
    stage = "scored_areas"
    reads = ("caption_a",)
    writes = ("regions", "regions.caption_a")

    def process(self, rows):
        for row in rows:
            note("find")
            words = row["caption_a"].split()
            boxes = [(8.0 * k, 0.0, 8.0 * k + 8, 8.0) for k in range(len(words))]
            row.regions = [
                Region(box, "a", caption_a=word) for box, word in zip(boxes, words, strict=True)
            ]


class ScaledParams(Range):
    scale: float = Field(1.0, gt=0, description="of another family of models")
    shift: float = 0.0


class ScoredFilter(RegionFilter):
    """One of the numbers, on the scale of some family of models."""

    stage = "scored_areas"
    Params = ScaledParams
    reads = ("regions.caption_a",)
    nothing_left = "no_area"
    place: ClassVar[int]

    def score(self, rows):
        for region in (region for row in rows for region in row.kept_regions):
            note(self.name)
            value = float(region.caption_a.split("-")[self.place]) / 100
            region.scores[self.region_scores[0]] = value * self.params.scale + self.params.shift

    def decide_regions(self, row, regions):
        for region in regions:
            value = region.scores[self.region_scores[0]]
            if not self.params.min_score <= value <= self.params.max_score:
                region.reject(self.name, "out_of_range")


@register("scored_high_filter")
class ScoredHighFilter(ScoredFilter):
    place = 0
    region_scores = ("scored_high",)
    limits: ClassVar = {"scored_high": ("min_score", None)}
    decided_by = ("max_score",)


@register("scored_noise_filter")
class ScoredNoiseFilter(ScoredFilter):
    place = 2
    region_scores = ("scored_noise", "scored_size")
    limits: ClassVar = {"scored_noise": ("min_score", None), "scored_size": (None, "max_score")}
    fixed = ("scored_size",)


class CappedParams(ScaledParams):
    max_regions: int = Field(9, ge=1)


@register("scored_low_filter")
class ScoredLowFilter(ScoredFilter):
    """The first ones of those that pass."""

    Params = CappedParams
    place = 1
    region_scores = ("scored_low",)
    limits: ClassVar = {"scored_low": (None, "max_score")}
    decided_by = ("min_score", "max_regions")

    def decide_regions(self, row, regions):
        super().decide_regions(row, regions)
        for region in row.kept_regions[self.params.max_regions :]:
            region.reject(self.name, "over_limit")


class OddParams(Params):
    whole_least: int = 2
    whole_most: int = Field(3, le=8)
    least: float = 0.5
    above: float = Field(1.0, gt=0)
    unasked: float | None = Field(None, ge=0)


@register("scored_odd_filter")
class ScoredOddFilter(ScoredFilter):
    """Limits of every kind: whole numbers, without bounds, with one that is excluded, null."""

    Params = OddParams
    place = 0
    region_scores = ("scored_odd", "scored_odder", "scored_oddest")
    limits: ClassVar = {
        "scored_odd": ("whole_least", "whole_most"),
        "scored_odder": ("least", "unasked"),
        "scored_oddest": ("above", None),
    }
