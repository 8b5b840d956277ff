"""A row: one caption pair on its way to become samples; its fields, types and endings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from imgdiff.data.fields import TABLE, Field, features_of

if TYPE_CHECKING:
    import numpy as np

Status = Literal["ok", "rejected", "failed"]
Image = dict[
    str, Any
]  # {"bytes": encoded picture or None, "path": its name or None}, as `datasets` stores it


@dataclass
class Region:
    """A box that may differ.

    values: the fields that operators of one's own have declared, by name: `region["mood"]`.
    box_xyxy: 4 float, pixels of image A's frame, inside the image. source: the image it was found
    in.
    left: the image that stands left where both are shown as one picture.
    mask: {"size": [height, width], "counts": column-major run lengths, background first} or None.
    scores: numbers that filters compared. reason: `operator: code`, empty while the region is ok.
    """

    box_xyxy: tuple[float, float, float, float]
    source: Literal["a", "b"]
    mask: dict[str, list[int]] | None = None
    scores: dict[str, float] = field(default_factory=dict)
    status: Status = "ok"
    reason: str = ""
    caption_a: str = ""
    caption_b: str = ""
    difference: str = ""
    left: Literal["a", "b"] = "a"
    conversations: list[dict[str, str]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.values[name] = value

    @property
    def record(self) -> dict[str, Any]:
        """Every field by its name, those of one's own beside the others."""
        return {name: each for name, each in vars(self).items() if name != "values"} | self.values

    def reject(self, operator: str, code: str) -> None:
        self.status, self.reason = "rejected", f"{operator}: {code}"


@dataclass
class Row:
    """One caption pair. `values` holds the fields that were made so far, by name.

    id: unique in the run. seed: derived from the run's seed and the id; every random number of the
    row comes from it. scores: numbers that filters compared, kept for refused rows too.
    reason: `operator: code`, and message: a sentence for people; both empty while the row is ok.
    """

    id: str
    seed: int
    values: dict[str, Any] = field(default_factory=dict)
    regions: list[Region] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    status: Status = "ok"
    reason: str = ""
    message: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.values[name] = value

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def kept_regions(self) -> list[Region]:
        return [region for region in self.regions if region.status == "ok"]

    def reject(self, operator: str, code: str, message: str) -> None:
        """End the row: a rule said no."""
        self.status, self.reason, self.message = "rejected", f"{operator}: {code}", message

    def fail(self, operator: str, code: str, message: str) -> None:
        """End the row: something broke."""
        self.status, self.reason, self.message = "failed", f"{operator}: {code}", message

    def _repr_html_(self) -> str:
        """The row as a notebook shows it."""
        from imgdiff.data.markup import row_markup

        return row_markup(self)

    def random(self, operator: str) -> np.random.Generator:
        """This row's random numbers for one operator, the same in every run, order and batch."""
        import numpy as np

        return np.random.default_rng([derive_seed(self.seed, operator), 0])

    def copy(self) -> Row:
        """A copy whose fields, scores and regions may be changed without touching this row."""
        regions = [
            replace(
                region,
                scores=dict(region.scores),
                conversations=_copied(region.conversations),
                values=_copied(region.values),
            )
            for region in self.regions
        ]
        values = _copied(self.values)
        return replace(self, values=values, regions=regions, scores=dict(self.scores))


def _copied(value: Any) -> Any:
    """Lists and mappings anew, at any depth."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def derive_seed(seed: int, name: str) -> int:
    """A 63-bit seed from another one and a name (SHA-256, stable across machines and versions)."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def features(
    columns: Iterable[str],
    row_scores: Iterable[str],
    region_scores: Iterable[str],
    own: Iterable[Field] = (),
) -> Any:
    """The `datasets.Features` of rows that carry `columns` (names of fields without a dot).

    What the engine gives comes with every row, and all fields of regions with every region. Scores
    differ from recipe to recipe, so their names are given.

    Args:
        own: fields that are not of the package: `columns` may name those of rows, and those of
            regions are there.
    """
    from datasets import Features, List, Value

    score = Value("float64")  # as it was compared, so that a decision can be made again
    scores, of_regions = (
        dict.fromkeys(names, score) or {"none": score} for names in (row_scores, region_scores)
    )
    known = {each.name: each for each in (*TABLE, *own)}
    region = features_of((each for each in known.values() if each.of_region), scores=of_regions)
    always = (each for each in TABLE if each.given_by == "engine" and not each.of_region)
    carried = (*always, *(known[name] for name in columns))
    return Features(features_of(carried, scores=scores, regions=List(region)))


def to_table(rows: Sequence[Row], schema: Any) -> Any:
    """Rows as a `pyarrow.Table` of `schema` (`features(...).arrow_schema`); what a row lacks is
    null."""
    import pyarrow as pa

    return pa.Table.from_pylist([_as_dict(row) for row in rows], schema=schema)


def from_table(table: Any) -> list[Row]:
    """The rows of a table that `to_table` made."""
    rows = []
    names = {f.name for f in fields(Row)}
    for record in table.to_pylist():
        values = {k: v for k, v in record.items() if k not in names and v is not None}
        row = Row(
            **{k: v for k, v in record.items() if k in names - {"regions", "scores"}}, values=values
        )
        row.scores = _present(record["scores"])
        row.regions = [_region(entry) for entry in record.get("regions") or []]
        rows.append(row)
    return rows


def _as_dict(row: Row) -> dict[str, Any]:
    record = {
        f.name: getattr(row, f.name) for f in fields(Row) if f.name not in ("values", "regions")
    }
    return record | row.values | {"regions": [region.record for region in row.regions]}


def _region(entry: dict[str, Any]) -> Region:
    given = {k: entry[k] for k in _IN_EVERY_REGION}
    given["box_xyxy"] = tuple(float(edge) for edge in entry["box_xyxy"])
    given["mask"] = entry["mask"] if entry["mask"] and entry["mask"]["counts"] is not None else None
    given["scores"] = _present(entry["scores"])
    own = {k: v for k, v in entry.items() if k not in _IN_EVERY_REGION and v is not None}
    return Region(**given, values=own)


def _present(scores: dict[str, float | None] | None) -> dict[str, float]:
    return {name: value for name, value in (scores or {}).items() if value is not None}


_IN_EVERY_REGION = frozenset(each.column for each in TABLE if each.of_region)
