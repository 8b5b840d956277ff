"""A row: one caption pair on its way to become samples; its fields, types and endings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np


Status = Literal["ok", "rejected", "failed"]
Image = dict[
    str, Any
]  # {"bytes": encoded picture or None, "path": its name or None}, as `datasets` stores it

# field -> what it holds; an operator names the ones it reads and writes ("regions.caption_a" for a
# region's)
FIELDS = {
    "caption_a": "string",
    "caption_b": "string",
    "edit": "struct: kind, source words, target words",
    "image_a": "image, RGB after decoding",
    "image_b": "image of the same size",
    "prompt": "string, what the MLLM was asked when it wrote caption_a",
    "phrases": "list of things that caption_a names: text, start and end in its characters, score "
    "(cosine with the image), set (positive: shown, negative: made up, or none)",
    "sentence_set": "positive: all of caption_a is shown and may be learned as a whole; or none",
    "objects": "list of strings, names of the things that image A shows, each once",
    "negatives": "list of captions that fit image A worse than caption_a does: caption, family "
    "(random, popular, adversarial, remove, alter), objects put in, taken out or altered",
    "hash_a": "string, perceptual hash of image_a: 64 bits as 16 hexadecimal digits",
    "hash_b": "string, the same of image_b",
    "editing": "struct: mode of the edit, number of the candidate kept, scores of all candidates",
    "regions": "list of boxes that may differ, xyxy pixels of image A's frame",
    "regions.mask": "run-length code of the mask a box was made from",
    "regions.caption_a": "string, what image A shows in the box",
    "regions.caption_b": "string, what image B shows in the box",
    "regions.difference": "string, how the two differ",
    "regions.left": "a or b, the image that stands left where both are shown as one picture",
    "regions.conversations": "list of turns: from (human, gpt), value",
}
INPUT_FIELDS = ("caption_a", "caption_b", "edit", "image_a", "image_b", "objects")


@dataclass
class Region:
    """A box that may differ.

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

    def reject(self, operator: str, code: str) -> None:
        self.status, self.reason = "rejected", f"{operator}: {code}"


@dataclass
class Row:
    """One caption pair. `values` holds the fields of `FIELDS` that were made so far, by name.

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

    def random(self, operator: str) -> np.random.Generator:
        """This row's random numbers for one operator, the same in every run, order and batch."""
        import numpy as np

        return np.random.default_rng([derive_seed(self.seed, operator), 0])

    def copy(self) -> Row:
        """A copy whose fields, scores and regions may be changed without touching this row."""
        regions = [
            replace(region, scores=dict(region.scores), conversations=_copied(region.conversations))
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
    columns: Sequence[str], row_scores: Iterable[str], region_scores: Iterable[str]
) -> Any:
    """The `datasets.Features` of rows that carry `columns` (names of `FIELDS` without a dot).

    id, seed, status, reason, message and scores come with every row. Scores differ from recipe to
    recipe, so their names are given.
    """
    from datasets import Features, Image, List, Value

    text = Value("string")
    score = Value("float64")  # as it was compared, so that a decision can be made again
    region = {
        "box_xyxy": List(Value("float32"), length=4),
        "source": text,
        "mask": {"size": List(Value("int32")), "counts": List(Value("int32"))},
        "scores": dict.fromkeys(region_scores, score) or {"none": score},
        "status": text,
        "reason": text,
        "caption_a": text,
        "caption_b": text,
        "difference": text,
        "left": text,
        "conversations": List({"from": text, "value": text}),
    }
    phrase = {"text": text, "start": Value("int32"), "end": Value("int32")}
    phrase |= {"score": Value("float32"), "set": text}
    kinds = {
        "caption_a": text,
        "caption_b": text,
        "edit": {"kind": text, "source": text, "target": text},
        "image_a": Image(),
        "image_b": Image(),
        "prompt": text,
        "phrases": List(phrase),
        "sentence_set": text,
        "objects": List(text),
        "negatives": List({"caption": text, "family": text, "objects": List(text)}),
        "hash_a": text,
        "hash_b": text,
        "editing": {
            "mode": text,
            "candidate": Value("int32"),
            "candidate_scores": List(Value("float32")),
        },
        "regions": List(region),
    }
    always = {"id": text, "seed": Value("int64"), "status": text, "reason": text, "message": text}
    scores = dict.fromkeys(row_scores, score) or {"none": score}
    return Features(always | {"scores": scores} | {name: kinds[name] for name in columns})


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
    return record | row.values | {"regions": [asdict(region) for region in row.regions]}


def _region(entry: dict[str, Any]) -> Region:
    box = tuple(float(edge) for edge in entry["box_xyxy"])
    mask = entry["mask"] if entry["mask"] and entry["mask"]["counts"] is not None else None
    return Region(**(entry | {"box_xyxy": box, "mask": mask, "scores": _present(entry["scores"])}))


def _present(scores: dict[str, float | None] | None) -> dict[str, float]:
    return {name: value for name, value in (scores or {}).items() if value is not None}
