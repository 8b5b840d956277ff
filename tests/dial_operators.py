"""Operators of three phases that note the rows they run on, for tests of moved thresholds."""

from pathlib import Path
from typing import ClassVar

from imgdiff.data.rows import Region
from imgdiff.operator import Mapper, Params, Range, RegionFilter, RowRangeFilter, register


def count(name):
    if Path("mine.yaml").exists():  # a worker of Ray stands in another folder
        with open("calls.txt", "a") as file:
            file.write(name + "\n")


@register("dial_find_mapper")
class Find(Mapper):
    stage = "dial_areas"
    reads, writes = ("caption_a",), ("regions",)

    def process(self, rows):
        for row in rows:
            count(f"find {row.id}")
            words = row["caption_a"].split()
            row.regions = [Region((0.0, 0.0, 7.0 * len(w), 8.0), "a") for w in words]
            if not words[1:]:
                row.reject(self.name, "one_word", "a single word")


class WidthParams(Params):
    min_width: float = 0.0
    most: int = 9
    skip: str = ""
    min_shape: float | None = None


@register("dial_width_filter")
class Width(RegionFilter):
    stage = "dial_areas"
    Params = WidthParams
    reads = ("regions",)
    region_scores = ("width", "shape")
    limits: ClassVar = {"width": ("min_width", None), "shape": ("min_shape", None)}
    decided_by = ("most",)
    nothing_left = "no_width"

    def score(self, rows):
        for row in rows:
            count(f"width {row.id}")
            if "unscored" in row["caption_a"]:
                row.reject(self.name, "unscored", "nothing to score")
                continue
            for region in row.kept_regions:
                region.scores["width"] = region.box_xyxy[2] / 70
                if self.params.min_shape is not None:
                    region.scores["shape"] = region.box_xyxy[2] / 140

    def decide_regions(self, row, regions):
        for k, region in enumerate(sorted(regions, key=lambda r: -r.scores["width"])):
            if region.scores["width"] < self.params.min_width:
                region.reject(self.name, "narrow")
            elif self.params.min_shape and region.scores["shape"] < self.params.min_shape:
                region.reject(self.name, "shapeless")
            elif k >= self.params.most:
                region.reject(self.name, "over_limit")


@register("dial_name_mapper")
class Name(Mapper):
    stage = "dial_names"
    reads, writes = ("regions",), ("regions.caption_a",)

    def process(self, rows):
        for row in rows:
            count(f"name {row.id}")
            for k, region in enumerate(row.kept_regions):
                region.caption_a = f"{row['caption_a']} {k} of {len(row.kept_regions)}"
                if region.box_xyxy[2] == 28.0:
                    region.reject(self.name, "unnamed")


@register("dial_name_filter")
class NameLength(RegionFilter):
    stage = "dial_names"
    Params = WidthParams
    reads = ("regions.caption_a",)
    region_scores = ("name_length",)
    limits: ClassVar = {"name_length": ("min_width", None)}
    nothing_left = "no_name"

    def score(self, rows):
        for row in rows:
            count(f"length {row.id}")
            for region in row.kept_regions:
                region.scores["name_length"] = len(region.caption_a) / 100 + region.box_xyxy[2] / 99

    def decide_regions(self, row, regions):
        for region in regions:
            if region.scores["name_length"] < self.params.min_width:
                region.reject(self.name, "short_name")


@register("dial_screen_filter")
class Screen(RowRangeFilter):
    """Stores the pictures of no row but those it lets pass."""

    Params = Range
    reads = ("image_a", "image_b")
    scores = ("sight",)
    screens = ("image_a", "image_b")
    too_low, too_high = "dim", "glaring"

    def score(self, rows):
        for row in rows:
            row.scores["sight"] = len(row["caption_a"]) / 100
