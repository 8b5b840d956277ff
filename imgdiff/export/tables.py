"""What the tables of a dataset hold: their columns, and what a row adds to each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from imgdiff.data.images import load_rgb
from imgdiff.data.rows import Row
from imgdiff.errors import RowError

if TYPE_CHECKING:
    from datasets import Features

Record = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One config of a dataset folder.

    records: what a row adds. A record may hold more than `features` names: the schema picks.
    """

    folder: str
    config: str
    features: "Features"
    records: Callable[[Row], list[Record]]


def tables(info: Record) -> list[Table]:
    """The tables of a run, by its `run.json`. Columns that its recipe does not make are absent."""
    from datasets import Features, List, Value

    text, made = Value("string"), _made_fields(info)
    step = {"operator": text, "version": text, "params_sha256": text}
    step["models"] = List({"role": text, "name": text, "fingerprint": text})
    ending = {"status": text, "reason": text}
    words = {
        n.removeprefix("regions."): kind for n, kind in made.items() if n.startswith("regions.")
    }
    place = {"box_xyxy": List(Value("float32"), length=4)}
    found = {"id": text, **place, "source": text, **words, **_scores(info, "region_scores")}
    sample = {"id": text, "pair_id": text, **place, **words, **_scores(info, "region_scores")}
    pair = {"id": text, **{n: kind for n, kind in made.items() if "." not in n}}
    pair |= {"seed": Value("int64"), **_scores(info, "scores")}

    def with_lists(columns: Record, region: Record) -> Features:
        regions = {"regions": List(region)} if _makes(info, "regions") else {}
        return Features(columns | regions | {"provenance": List(step)})

    steps = _steps(info)
    return [
        Table("data", "pairs", with_lists(pair, found), lambda row: _kept_pair(row, steps)),
        Table("data", "samples", Features(sample), _samples),
        Table(
            "dropped",
            "pairs",
            with_lists(pair | ending | {"message": text}, found | ending),
            lambda row: _dropped_pair(row, steps),
        ),
        Table("dropped", "regions", Features({"row_id": text} | found | ending), _refused_regions),
    ]


def _made_fields(info: Record) -> Record:
    """Field -> feature, of the fields that the recipe makes or the input brings; regions aside."""
    from datasets import Image, List, Value

    text = Value("string")
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
        "regions.caption_a": text,
        "regions.caption_b": text,
        "regions.difference": text,
        "regions.left": text,
        "regions.conversations": List({"from": text, "value": text}),
    }
    return {name: kind for name, kind in kinds.items() if _makes(info, name)}


def _makes(info: Record, field: str) -> bool:
    parts = [phase["columns"] for phase in info["phases"]]
    parts += [operator["writes"] for operator in info["operators"]]  # they name a region's fields
    return any(field in part for part in parts)


def _scores(info: Record, kind: str) -> Record:
    from datasets import Value

    names = [name for operator in info["operators"] for name in operator[kind]]
    return {"scores": dict.fromkeys(names, Value("float32"))} if names else {}


def _steps(info: Record) -> list[Record]:
    """What made a row, in order: each operator with the models it used."""
    return [
        {
            "operator": operator["name"],
            "version": operator["version"],
            "params_sha256": operator["params_sha256"],
            "models": [_model(role, info["models"][role]) for role in operator["roles"]],
        }
        for operator in info["operators"]
    ]


def _model(role: str, model: Record) -> Record:
    return {"role": role, "name": public_name(model["name"]), "fingerprint": model["fingerprint"]}


def public_name(name: str) -> str:
    """A Hub name or relative path as it is; only the last part of an absolute path."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def _kept_pair(row: Row, steps: list[Record]) -> list[Record]:
    return [_pair(row, _kept(row), steps)] if row.ok else []


def _dropped_pair(row: Row, steps: list[Record]) -> list[Record]:
    """The row with the operators it met: none where the reader refused it."""
    if row.ok:
        return []
    last = row.reason.partition(":")[0]
    met = next((k for k, step in enumerate(steps, 1) if step["operator"] == last), 0)
    return [_pair(row, _regions(row), steps[:met])]


def _pair(row: Row, regions: list[Record], steps: list[Record]) -> Record:
    images = {name: _readable(row, name) for name in ("image_a", "image_b")}
    return vars(row) | row.values | images | {"regions": regions, "provenance": steps}


def _readable(row: Row, name: str) -> Record | None:
    """An image under its bare name; None if it cannot be decoded, for readers would stop there."""
    image = row.values.get(name)
    if image is None:
        return None
    if row.status == "failed":
        try:
            load_rgb(image)
        except RowError:
            return None
    return {"bytes": image["bytes"], "path": image["path"] and PurePath(image["path"]).name}


def _regions(row: Row) -> list[Record]:
    """Every region under its name, its row's id and its number in the row."""
    names = {"row_id": row.id, "pair_id": row.id}
    return [vars(region) | names | {"id": f"{row.id}-{k}"} for k, region in enumerate(row.regions)]


def _kept(row: Row) -> list[Record]:
    return [region for region in _regions(row) if region["status"] == "ok"]


def _samples(row: Row) -> list[Record]:
    return _kept(row) if row.ok else []


def _refused_regions(row: Row) -> list[Record]:
    return [region for region in _regions(row) if region["status"] != "ok"]
