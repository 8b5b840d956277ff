"""The fields of rows and regions, once. Files, tables, cards, readers and checks follow from here.

A field that is written anew is a line in `TABLE`. An operator outside the package declares its own
in `Operator.fields`; a run's own fields stand in its `run.json`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

TEXT, PICTURE = "string", "image"
INTEGER, NUMBER = "int64", "float64"
INT32, FLOAT32 = "int32", "float32"
SINGLE = (TEXT, PICTURE, INTEGER, NUMBER, INT32, FLOAT32)
# one of SINGLE; a list, as [kind] or [kind, length]; or a mapping, as {name: kind}
Kind = str | list[Any] | dict[str, Any]
REGION = "regions."  # begins the name of a region's field
NAME = re.compile(rf"({re.escape(REGION)})?[a-z][a-z0-9_]*")


def _is_kind(kind: Any) -> bool:
    if isinstance(kind, dict):
        return bool(kind) and all(map(_is_kind, kind.values()))
    if isinstance(kind, list):
        return bool(kind) and _is_kind(kind[0]) and all(isinstance(n, int) for n in kind[1:])
    return kind in SINGLE


def _is_readable(kind: Kind) -> bool:
    """Whether an input can give it: one value, a list of texts, or texts by name."""
    texts = isinstance(kind, dict) and all(inner == TEXT for inner in kind.values())
    return kind in SINGLE or kind == [TEXT] or texts


@dataclass(frozen=True)
class Field:
    """One field of a row or, as `regions.NAME`, of its regions.

    kind: TEXT, INTEGER, NUMBER, PICTURE, a list of one ([TEXT]) or a mapping of some
    ({"word": TEXT, "place": INTEGER}). A picture is `imgdiff.data.rows.Image`.
    meaning: what it holds, in half a sentence, for the dataset's card.
    given_by: who writes it: operators alone; the input too; or the engine, in every row.
    exported: whether the dataset has it, or only the run's own files.

    Raises:
        ValueError: the name or the kind is none, or the input cannot give such a field.
    """

    name: str
    kind: Kind
    meaning: str
    given_by: Literal["operator", "input", "engine"] = "operator"
    exported: bool = True

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name}: expected small letters, digits and _, as in regions.mood"
            )
        if self.kind != self.column and not _is_kind(self.kind):  # `scores` and `regions` are both
            raise ValueError(f"{self.name}: {self.kind} is no kind, expected {', '.join(SINGLE)}")
        if self.given_by == "input" and (self.of_region or not _is_readable(self.kind)):
            raise ValueError(f"{self.name}: an input cannot give it")

    @property
    def of_region(self) -> bool:
        return self.name.startswith(REGION)

    @property
    def column(self) -> str:
        """Its name within the row, or the region."""
        return self.name.removeprefix(REGION)


# in the order of files
TABLE = (
    Field("id", TEXT, "unique; that of a region is `{id of the pair}-{number}`", "engine"),
    Field("seed", INTEGER, "every random number of the pair came from it", "engine"),
    Field("status", TEXT, "ok, rejected (a rule said no) or failed (something broke)", "engine"),
    Field("reason", TEXT, "`operator: code`", "engine"),
    Field("message", TEXT, "the reason as a sentence", "engine"),
    # scores differ from recipe to recipe; regions have the fields below them
    Field(
        "scores",
        "scores",
        "the numbers that filters compared; null where a filter was not reached",
        "engine",
    ),
    Field("caption_a", TEXT, "what image A should show", "input"),
    Field("caption_b", TEXT, "what image B should show", "input"),
    Field(
        "edit",
        {"kind": TEXT, "source": TEXT, "target": TEXT},
        "what was changed between the captions: kind (replace, remove, attribute, add), source "
        "words, target words",
        "input",
    ),
    Field("image_a", PICTURE, "image A", "input"),
    Field("image_b", PICTURE, "image B, of the same size", "input"),
    Field("prompt", TEXT, "what the MLLM was asked when it wrote `caption_a`"),
    Field(
        "phrases",
        [{"text": TEXT, "start": INT32, "end": INT32, "score": FLOAT32, "set": TEXT}],
        "things that `caption_a` names: text, its place in characters, score (its cosine with the "
        "image), set: positive (shown), negative (made up) or none",
    ),
    Field(
        "sentence_set",
        TEXT,
        "positive: all that `caption_a` names is shown, and it may be learned as a whole; or none",
    ),
    Field("objects", [TEXT], "things that image A shows, each once", "input"),
    Field(
        "negatives",
        [{"caption": TEXT, "family": TEXT, "objects": [TEXT]}],
        "captions that fit image A worse than `caption_a` does: caption, family (random, popular, "
        "adversarial: absent objects put in; remove; alter), objects",
    ),
    Field("hash_a", TEXT, "perceptual hash of image A: 64 bits, 16 hexadecimal digits (phash)"),
    Field("hash_b", TEXT, "perceptual hash of image B"),
    Field(
        "editing",
        {"mode": TEXT, "candidate": INT32, "candidate_scores": [FLOAT32]},
        "how image B was made from A: mode (replace, refine, inpaint), number of the candidate "
        "kept, scores of all candidates",
    ),
    Field("regions", "regions", "list of regions, with the columns of a region"),
    Field(
        "regions.box_xyxy",
        [FLOAT32, 4],
        "left, top, right, bottom in pixels of image A's frame",
        "engine",
    ),
    Field("regions.source", TEXT, "the image the box was found in: a or b", "engine"),
    Field(
        "regions.mask",
        {"size": [INT32], "counts": [INT32]},
        "run lengths of the mask that the box was made from",
        exported=False,
    ),
    Field(
        "regions.scores",
        "scores",
        "the numbers that filters compared; null where a filter was not reached",
        "engine",
    ),
    Field("regions.status", TEXT, "ok or rejected (a rule said no)", "engine"),
    Field("regions.reason", TEXT, "`operator: code`", "engine"),
    Field("regions.caption_a", TEXT, "what image A shows in the box"),
    Field("regions.caption_b", TEXT, "what image B shows in the box"),
    Field("regions.difference", TEXT, "a sentence that says how A and B differ in the box"),
    Field(
        "regions.left",
        TEXT,
        "the image, a or b, that stands left in the picture that `conversations` are about",
    ),
    Field(
        "regions.conversations",
        [{"from": TEXT, "value": TEXT}],
        "turns of question (`human`) and answer (`gpt`)",
    ),
)
# what an operator may read and write, and what an input may give
FIELDS = {field.name: field for field in TABLE if field.given_by != "engine"}
INPUT_FIELDS = {name: field for name, field in FIELDS.items() if field.given_by == "input"}
# what no field of one's own may be called, in a row or a region
TAKEN = frozenset(field.column for field in TABLE) | {"values", "pair_id", "row_id", "provenance"}


def in_order(names: Iterable[str]) -> list[str]:
    """Names of fields in the order of files: those of the table, then others by name."""
    given = set(names)
    return [*(name for name in FIELDS if name in given), *sorted(given - FIELDS.keys())]


def pictures(fields: Mapping[str, Field]) -> frozenset[str]:
    """The pictures among a row's fields: most of its bytes."""
    return frozenset(
        n for n, field in fields.items() if field.kind == PICTURE and not field.of_region
    )


def features_of(fields: Iterable[Field], **apart: Any) -> dict[str, Any]:
    """Column -> feature of `datasets`. apart: those of the columns `scores` and `regions`, which
    differ from recipe to recipe."""
    return {
        field.column: apart[field.column] if field.column in apart else _feature(field.kind)
        for field in fields
    }


def _feature(kind: Kind) -> Any:
    from datasets import Image, List, Value

    if isinstance(kind, dict):
        return {name: _feature(inner) for name, inner in kind.items()}
    if isinstance(kind, list):
        inner, *length = kind
        return List(_feature(inner), *length)
    return Image() if kind == PICTURE else Value(kind)
