"""An operator file outside the package with fields of its own, of every kind, for tests."""

import numpy as np
from pydantic import Field as Setting

from imgdiff.data.fields import INTEGER, NUMBER, PICTURE, TEXT, Field
from imgdiff.data.images import encode_png
from imgdiff.operator import Mapper, Params, register

TOPIC = Field("topic", TEXT, "what the caption is about", "input")
STARS = Field("stars", INTEGER, "how much a person liked it", "input")


class WrongParams(Params):
    wrong: str = Setting("", description="what is put into the field of which row: name id")


@register("own_fields_mapper")
class OwnFieldsMapper(Mapper):
    """Write a field of each kind, of rows and of regions."""

    Params = WrongParams
    fields = (
        TOPIC,
        STARS,
        Field("weight", NUMBER, "half of the caption's words"),
        Field("word_count", INTEGER, "words of the caption"),
        Field("sketch", PICTURE, "a picture of one colour"),
        Field("tags", [TEXT], "the caption's words"),
        Field("places", [{"word": TEXT, "place": INTEGER}], "words with their places"),
        Field("regions.size", TEXT, "small or large"),
        Field("regions.crop", PICTURE, "a picture of the box"),
    )
    reads = ("caption_a", "topic", "regions")
    writes = tuple(field.name for field in fields if field.given_by != "input")

    def process(self, rows):
        for row in rows:
            words = row["caption_a"].split()
            row["weight"], row["word_count"], row["tags"] = len(words) / 2, len(words), words
            row["places"] = [{"word": word, "place": k} for k, word in enumerate(words)]
            row["sketch"] = encode_png(np.full((4, 4, 3), len(words), np.uint8))
            for k, region in enumerate(row.kept_regions):
                region["size"] = "small" if k < 2 else "large"
                region["crop"] = encode_png(np.full((2, 2, 3), k, np.uint8))
            field, _, id_ = self.params.wrong.partition(" ")
            if row.id == id_:
                where = row.regions[0] if field.startswith("regions.") else row
                where[field.removeprefix("regions.")] = {"a": 1}


@register("own_reading_mapper")
class OwnReadingMapper(Mapper):
    """Read what another operator has declared: write the topic behind the caption."""

    stage = "own_reading"
    reads = ("tags", "topic", "caption_a", "regions.size")
    writes = ("caption_b",)

    def process(self, rows):
        for row in rows:
            sizes = " ".join(region["size"] for region in row.kept_regions)
            row["caption_b"] = f"{row['topic']}: {' '.join(row['tags'])} {sizes}"


@register("own_clash_mapper")
class OwnClashMapper(OwnReadingMapper):
    """Declare what is there already."""

    fields = (
        Field("difference", TEXT, "a name of the package's"),
        Field("tags", TEXT, "another kind than the one before"),
    )


@register("own_undeclared_mapper")
class OwnUndeclaredMapper(Mapper):
    """Leave something in regions that it does not declare."""

    reads = ("regions",)
    writes = ("regions",)

    def process(self, rows):
        for region in (region for row in rows for region in row.kept_regions):
            region["colour"] = "red"
