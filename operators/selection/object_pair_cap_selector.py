"""Let no exchange of two objects fill the data."""

from collections import Counter
from typing import ClassVar

from pydantic import Field

from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.operator import Params, Selector, register
from imgdiff.text.words import changed_words


class ObjectPairCapParams(Params):
    max_count: int = Field(
        20, ge=1, description="pairs kept with the same old and new object, the first ones"
    )


@register("object_pair_cap_selector")
class ObjectPairCapSelector(Selector):
    """Keep at most max_count image pairs in which the same object gave way to the same other one.

    The objects are those of `edit` where a row has it, else the words that differ between the
    captions; case does not count. Pairs are counted, however many samples they hold.
    """

    stage = "selection"
    Params = ObjectPairCapParams
    reads = ("caption_a", "caption_b")
    scores = ("object_pair_count",)  # how many there are with the row, from 1 on
    limits: ClassVar = {"object_pair_count": (None, "max_count")}

    def setup(self, models: Models) -> None:
        self._kept = Counter[tuple[str, str]]()

    def decide(self, row: Row) -> None:
        objects, most = self._objects(row), self.params.max_count
        count = self._kept[objects] + 1
        row.scores["object_pair_count"] = count
        if count > most:
            text = f"{most} pairs with {objects[0]!r} -> {objects[1]!r} were kept before it"
            row.reject(self.name, "over_cap", text)

    def keep(self, row: Row) -> None:
        self._kept[self._objects(row)] += 1

    def _objects(self, row: Row) -> tuple[str, str]:
        edit = row.values.get("edit")
        if edit is not None:
            return edit["source"].lower(), edit["target"].lower()
        captions = row["caption_a"], row["caption_b"]
        old, new = (
            " ".join(span.of(caption) for span in spans).lower()
            for caption, spans in zip(captions, changed_words(*captions), strict=True)
        )
        return old, new
