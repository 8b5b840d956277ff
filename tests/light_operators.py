"""Operators without models, for tests of the engine: a file outside the package."""

import os
import time
from collections import Counter
from typing import ClassVar

import numpy as np
from pydantic import Field

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region
from imgdiff.errors import RowError
from imgdiff.operator import (
    Composite,
    Filter,
    Mapper,
    Params,
    Range,
    RegionFilter,
    RowRangeFilter,
    Selector,
    register,
)


class SlowParams(Params):
    seconds: float = Field(0.0, ge=0, le=1, description="to sleep, per row")


class SuffixParams(SlowParams):
    suffix: str = Field("!", description="put behind the caption")


@register("light_edit_mapper")
class LightEditMapper(Mapper):
    """Write caption_b: caption_a with a suffix; the caption `bad` breaks it, `deadly` kills."""

    Params = SuffixParams
    reads = ("caption_a",)
    writes = ("caption_b",)

    def process(self, rows):
        for row in rows:
            if self.params.seconds:  # to sleep for no time at all takes 60 microseconds
                time.sleep(self.params.seconds)
            if row["caption_a"] == "bad":
                raise RowError("caption_bad", "this caption is bad")
            if row["caption_a"] == "deadly":
                os._exit(1)
            row["caption_b"] = row["caption_a"] + self.params.suffix


@register("light_image_mapper")
class LightImageMapper(Mapper):
    """Make two pictures of random pixels."""

    reads = ("caption_a", "caption_b")
    writes = ("image_a", "image_b")

    def process(self, rows):
        for row in rows:
            random = row.random(self.name)
            for name in self.writes:
                row[name] = encode_png(random.integers(0, 256, (8, 96, 3), dtype=np.uint8))


@register("light_witness_mapper")
class LightWitnessMapper(Mapper):
    """Find one area, in which either image shows what its caption says."""

    reads = ("caption_a", "caption_b")
    writes = ("regions", "regions.caption_a", "regions.caption_b")

    def process(self, rows):
        for row in rows:
            said = {name: row[name] for name in self.reads}
            row.regions = [Region((0.0, 0.0, 8.0, 8.0), "a", **said)]


class LengthParams(Range):
    min_score: float = Field(0.0, ge=0, le=1, description="captions below it are too short")


@register("light_length_filter")
class LightLengthFilter(RowRangeFilter):
    """Keep rows by the length of caption_a, as a share of 100 characters."""

    Params = LengthParams
    reads = ("caption_a",)
    scores = ("caption_length",)
    too_low, too_high = "caption_short", "caption_long"

    def score(self, rows):
        for row in rows:
            row.scores["caption_length"] = len(row["caption_a"]) / 100


@register("light_area_mapper")
class LightAreaMapper(Mapper):
    """Find as many areas as the caption has words."""

    stage = "light_areas"
    Params = SlowParams
    reads = ("caption_a",)
    writes = ("regions",)

    def process(self, rows):
        for row in rows:
            if self.params.seconds:  # to sleep for no time at all takes 60 microseconds
                time.sleep(self.params.seconds)
            words = range(len(row["caption_a"].split()))
            row.regions = [Region((0.0, 0.0, 8.0 * (n + 1), 8.0), "a") for n in words]


@register("light_area_filter")
class LightAreaFilter(RegionFilter, Filter):
    """Keep areas whose width, as a share of 100 pixels, lies in the range."""

    stage = "light_areas"
    Params = Range
    reads = ("regions",)
    region_scores = ("area_width",)
    limits: ClassVar = {"area_width": ("min_score", "max_score")}
    nothing_left = "no_area"

    def score(self, rows):
        for region in (region for row in rows for region in row.kept_regions):
            region.scores["area_width"] = (region.box_xyxy[2] - region.box_xyxy[0]) / 100

    def decide_regions(self, row, regions):
        for region in regions:
            if not self.params.min_score <= region.scores["area_width"] <= self.params.max_score:
                region.reject(self.name, "width_out_of_range")


@register("light_conversation_mapper")
class LightConversationMapper(Mapper):
    """Ask about every area, in words of its own."""

    stage = "light_areas"
    reads = ("regions",)
    writes = ("regions.conversations",)

    def process(self, rows):
        for row in rows:
            for region in row.kept_regions:
                region.conversations = [
                    {"from": "human", "value": "<image>\nHow wide?"},
                    {"from": "gpt", "value": f"{region.box_xyxy[2]:.0f} pixels"},
                ]


@register("light_areas")
class LightAreas(Composite):
    """Find areas, then keep the wide ones."""

    steps = ("light_area_mapper", "light_area_filter")


class RepeatParams(SlowParams):
    most: int = Field(3, ge=1, description="rows kept of one caption")


@register("light_repeat_selector")
class LightRepeatSelector(Selector):
    """Keep the first rows of every caption."""

    Params = RepeatParams
    reads = ("caption_a",)
    scores = ("caption_repeats",)

    def setup(self, models):
        self.kept = Counter()

    def decide(self, row):
        if self.params.seconds:  # to sleep for no time at all takes 60 microseconds
            time.sleep(self.params.seconds)
        row.scores["caption_repeats"] = self.kept[row["caption_a"]]
        if row.scores["caption_repeats"] >= self.params.most:
            row.reject(self.name, "caption_again", "enough rows with this caption were kept")

    def keep(self, row):
        self.kept[row["caption_a"]] += 1
