"""Operators of two phases that fail on some rows until the reason for it is gone, and note the rows
that they run on."""

from pathlib import Path

from imgdiff.errors import RowError
from imgdiff.operator import Mapper, Selector, register

BROKEN, CALLS = Path("broken"), Path("calls.txt")


def note(name, row):
    with CALLS.open("a") as file:
        file.write(f"{name} {row.id}\n")
    if BROKEN.exists() and row["caption_a"] == f"{name} breaks":
        raise ValueError("broken")
    if BROKEN.exists() and row["caption_a"] == f"{name} refuses":
        raise RowError("unusable", "refused")


@register("first_mapper")
class FirstMapper(Mapper):
    reads, writes = ("caption_a",), ("caption_b",)

    def process(self, rows):
        for row in rows:
            note("first", row)
            row["caption_b"] = row["caption_a"] + "!"


@register("between_mapper")
class BetweenMapper(Mapper):
    reads = ("caption_b",)

    def process(self, rows):
        for row in rows:
            note("between", row)


@register("second_mapper")
class SecondMapper(Mapper):
    stage = "second"
    reads = ("caption_b",)

    def process(self, rows):
        for row in rows:
            note("second", row)


@register("last_selector")
class LastSelector(Selector):
    reads = ("caption_a",)

    def decide(self, row):
        note("last", row)

    def keep(self, row):
        pass


@register("seeing_mapper")
class SeeingMapper(Mapper):
    """Needs a picture."""

    reads = ("image_a",)

    def process(self, rows):
        pass
