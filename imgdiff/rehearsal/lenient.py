"""Operators as a rehearsal runs them: limits open, little work, and no row ends by a rule.

Models with random weights say nothing of use, so filters would refuse every row and nothing behind
them would be tried. A row that a rule refuses goes on, with a stand-in for what was not made of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region, Row
from imgdiff.operator import Operator, Selector

SIDE = 256  # pixels of a stand-in for a picture
# settings that are brought down to this: what they cost grows with them, and one is like the next
LITTLE = {"num_inference_steps": 2, "points_per_side": 4, "max_new_tokens": 8, "tries": 1}
STAND_INS: dict[str, Any] = {
    "caption_b": "a different thing",
    "edit": {"kind": "replace", "source": "thing", "target": "other thing"},
    "prompt": "Describe this image.",
    "objects": ["thing"],
}


class Lenient:
    """Mixed in before an operator's own class; `refused` counts what it would have ended, by
    reason."""

    refused: Counter[str]
    writes: tuple[str, ...]

    def run(self, rows: Sequence[Row]) -> list[Row]:
        made: list[Row] = super().run(rows)  # type: ignore[misc]
        for row in made:
            if row.status == "rejected":
                self.refused[row.reason] += 1
                row.status, row.reason, row.message = "ok", "", ""
                self._stand_in(row)
        return made

    def fresh(self) -> "Lenient":
        made: Lenient = super().fresh()  # type: ignore[misc]
        made.refused = self.refused  # the plan's operator counts for all
        return made

    def _stand_in(self, row: Row) -> None:
        """Give the row what the operator would have made of it."""
        for name in self.writes:
            if name.startswith("image") and name not in row.values:
                row[name] = _noise(row, name)
            elif name in STAND_INS and name not in row.values:
                row[name] = STAND_INS[name]
        if row.regions and not row.kept_regions:
            for region in row.regions[:2]:
                region.status, region.reason = "ok", ""
        elif not row.regions and "regions" in self.writes:
            high, wide = _size(row)
            row.regions = [Region((wide / 4, high / 4, wide / 2, high / 2), "a")]


def lenient(operator: Operator, little: Mapping[str, int] = LITTLE) -> Operator:
    """The same operator with open limits and no more work than `little` says; selectors stay as
    they are."""
    if isinstance(operator, Selector):
        return operator
    own = type(operator)
    mixed: Any = type(own.__name__, (Lenient, own), {})
    made: Operator = mixed(
        operator.params.model_copy(update=_opened(operator) | _lowered(operator, little))
    )
    made.surveyed = operator.surveyed
    made.refused = Counter()  # type: ignore[attr-defined]
    return made


def _opened(operator: Operator) -> dict[str, Any]:
    """Settings at which every score passes: the ends of their ranges."""
    fields = type(operator.params).model_fields
    opened: dict[Any, Any] = {}
    for score, (lowest, highest) in operator.limits.items():
        if score not in (*operator.scores, *operator.region_scores):
            continue
        for name, bound in ((lowest, "ge"), (highest, "le")):
            if name is not None:
                ends = [
                    getattr(each, bound) for each in fields[name].metadata if hasattr(each, bound)
                ]
                if ends:
                    opened[name] = ends[0]
    return opened


def _lowered(operator: Operator, little: Mapping[str, int]) -> dict[str, int]:
    names = little.keys() & type(operator.params).model_fields.keys()
    return {name: min(little[name], getattr(operator.params, name)) for name in names}


def _noise(row: Row, name: str) -> dict[str, Any]:
    high, wide = _size(row)
    picture = row.random(f"rehearsal {name}").integers(0, 256, (high, wide, 3), np.uint8)
    return encode_png(picture)


def _size(row: Row) -> tuple[int, int]:
    """Height and width of the row's pictures."""
    from imgdiff.data.images import load_rgb

    given = row.values.get("image_a")
    if given is None:
        return SIDE, SIDE
    high, wide = load_rgb(given).shape[:2]
    return high, wide
