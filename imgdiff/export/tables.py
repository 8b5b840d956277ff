"""What the tables of a dataset hold: their columns, and what a row adds to each."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from imgdiff.data.fields import TABLE, TEXT, Field, features_of, pictures
from imgdiff.data.images import load_rgb
from imgdiff.data.rows import Row
from imgdiff.errors import RowError
from imgdiff.store.run_info import RunInfo, RunModel

if TYPE_CHECKING:
    from datasets import Features

TableRow = dict[str, Any]


ALWAYS = {field.name: field for field in TABLE if field.given_by == "engine"}
PAIR_ID = Field("pair_id", TEXT, "the pair, in `pairs`, that holds the images", "engine")
ROW_ID = Field("row_id", TEXT, "the pair that the region belongs to", "engine")
MODEL = {"role": TEXT, "name": TEXT, "fingerprint": TEXT}
PROVENANCE = Field(
    "provenance",
    [{"operator": TEXT, "version": TEXT, "params_sha256": TEXT, "models": [MODEL]}],
    "operators in order: name, version, hash of the parameters, models",
    "engine",
)


@dataclass(frozen=True)
class Table:
    """One config of a dataset folder.

    meanings: what its columns hold, in words. records: what a row adds. A record may hold more than
    `features` names: the schema picks.
    """

    folder: str
    config: str
    features: "Features"
    meanings: dict[str, str]
    records: Callable[[Row], list[TableRow]]


def tables(info: RunInfo) -> list[Table]:
    """The tables of a run. Columns that its recipe does not make are absent."""
    from datasets import List

    known = info.known_fields
    made = [each for name, each in known.items() if each.exported and _makes(info, name)]
    row_scores = _scores(operator.scores for operator in info.operators)
    region_scores = _scores(operator.region_scores for operator in info.operators)
    place = [ALWAYS["regions.box_xyxy"]]
    words = [each for each in made if each.of_region]
    words += [ALWAYS["regions.scores"]] if region_scores else []
    found = [ALWAYS["id"], *place, ALWAYS["regions.source"], *words]
    pair = [ALWAYS["id"], *(e for e in made if not e.of_region and e.name != "regions")]
    pair += [ALWAYS["seed"], *([ALWAYS["scores"]] if row_scores else [])]
    last = [*(e for e in made if e.name == "regions"), PROVENANCE]
    ending = [ALWAYS["status"], ALWAYS["reason"]]

    def of_pairs(folder: str, fields: list[Field], region: list[Field], records: Any) -> Table:
        regions = List(features_of(region, scores=region_scores))
        features = features_of(fields, scores=row_scores, regions=regions)
        return _table(folder, "pairs", fields, features, records)

    def of_regions(folder: str, config: str, fields: list[Field], records: Any) -> Table:
        features = features_of(fields, scores=region_scores)
        return _table(folder, config, fields, features, records)

    steps, views = _steps(info), pictures(known)
    return [
        of_pairs("data", [*pair, *last], found, lambda row: _kept_pair(row, steps, views)),
        of_regions("data", "samples", [ALWAYS["id"], PAIR_ID, *place, *words], _samples),
        of_pairs(
            "dropped",
            [*pair, *ending, ALWAYS["message"], *last],
            [*found, *ending],
            lambda row: _dropped_pair(row, steps, views),
        ),
        of_regions("dropped", "regions", [ROW_ID, *found, *ending], _refused_regions),
    ]


def _table(folder: str, config: str, fields: list[Field], columns: TableRow, records: Any) -> Table:
    from datasets import Features

    meanings = {each.column: each.meaning for each in fields}
    return Table(folder, config, Features(columns), meanings, records)


def _makes(info: RunInfo, field: str) -> bool:
    parts = [phase.columns for phase in info.phases]
    parts += [operator.writes for operator in info.operators]  # they name a region's fields
    return any(field in part for part in parts)


def _scores(of_operators: Iterable[Sequence[str]]) -> TableRow:
    from datasets import Value

    names = [name for scores in of_operators for name in scores]
    return dict.fromkeys(names, Value("float32"))


def _steps(info: RunInfo) -> list[TableRow]:
    """What made a row, in order: each operator with the models it used."""
    return [
        {
            "operator": operator.name,
            "version": operator.version,
            "params_sha256": operator.params_sha256,
            "models": [_model(role, info.models[role]) for role in operator.roles],
        }
        for operator in info.operators
    ]


def _model(role: str, model: RunModel) -> TableRow:
    return {"role": role, "name": public_name(model.name), "fingerprint": model.fingerprint}


def public_name(name: str) -> str:
    """A Hub name or relative path as it is; only the last part of an absolute path."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def _kept_pair(row: Row, steps: list[TableRow], views: Collection[str]) -> list[TableRow]:
    return [_pair(row, _kept(row), steps, views)] if row.ok else []


def _dropped_pair(row: Row, steps: list[TableRow], views: Collection[str]) -> list[TableRow]:
    """The row with the operators it met: none where the reader refused it."""
    if row.ok:
        return []
    last = row.reason.partition(":")[0]
    met = next((k for k, step in enumerate(steps, 1) if step["operator"] == last), 0)
    return [_pair(row, _regions(row), steps[:met], views)]


def _pair(
    row: Row, regions: list[TableRow], steps: list[TableRow], views: Collection[str]
) -> TableRow:
    """views: the fields that are pictures."""
    images = {name: _readable(row, name) for name in views}
    return vars(row) | row.values | images | {"regions": regions, "provenance": steps}


def _readable(row: Row, name: str) -> TableRow | None:
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


def _regions(row: Row) -> list[TableRow]:
    """Every region under its name, its row's id and its number in the row."""
    names = {"row_id": row.id, "pair_id": row.id}
    return [region.record | names | {"id": f"{row.id}-{k}"} for k, region in enumerate(row.regions)]


def _kept(row: Row) -> list[TableRow]:
    return [region for region in _regions(row) if region["status"] == "ok"]


def _samples(row: Row) -> list[TableRow]:
    return _kept(row) if row.ok else []


def _refused_regions(row: Row) -> list[TableRow]:
    return [region for region in _regions(row) if region["status"] != "ok"]
