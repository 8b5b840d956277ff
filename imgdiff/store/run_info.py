"""What a run is made of, as `run.json` holds it. It is read and written here alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from imgdiff.data.fields import FIELDS, Field
from imgdiff.store.files import to_json
from imgdiff.store.interface import Store, json_of

RUN = "run.json"
Bound = float | int | None  # None: on this side nothing is refused


@dataclass(frozen=True, kw_only=True)
class RunModel:
    """The checkpoint of a role. revision: its commit, of a model of the Hub."""

    name: str
    revision: str | None = None
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class RunInput:
    """rows: those of the whole input. revision: its commit, of a dataset of the Hub."""

    path: str
    revision: str | None = None
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RunOperator:
    """thresholds: score -> (lowest, highest) value that passes. any_of: groups of scores of which
    one is enough. file_sha256: of the file that it stands in, if that is none of the package."""

    name: str
    version: str
    file_sha256: str | None = None
    phase: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    params_sha256: str
    roles: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    region_scores: tuple[str, ...] = ()
    thresholds: dict[str, tuple[Bound, Bound]] = field(default_factory=dict)
    any_of: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunPhase:
    """operators: their names. columns: the fields of rows that are stored. thresholds: operator ->
    the settings that can be moved without scoring again. scoring: a hash of all else that its
    stored fields and scores come from."""

    name: str
    operators: tuple[str, ...] = ()
    selects: bool = False
    columns: tuple[str, ...] = ()
    thresholds: dict[str, dict[str, Any]] | None = None
    scoring: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """recipe: its settings as resolved. versions: of packages. models: by role. fields: those that
    operators declare. history: earlier starts with other settings."""

    project_name: str
    recipe: dict[str, Any]
    versions: dict[str, str | None]
    models: dict[str, RunModel]
    input: RunInput
    operators: tuple[RunOperator, ...]
    phases: tuple[RunPhase, ...]
    fields: tuple[Field, ...] = ()
    started: str = ""
    history: tuple[dict[str, Any], ...] = ()

    @property
    def seed(self) -> int:
        return int(self.recipe["seed"])

    @property
    def shard_rows(self) -> int:
        return int(self.recipe["shard_rows"])

    @property
    def row_count(self) -> int:
        """Rows of the input that the run takes."""
        return min(self.recipe.get("limit") or self.input.rows, self.input.rows)

    @property
    def max_failed_fraction(self) -> float:
        return float(self.recipe["limits"]["max_failed_fraction"])

    @property
    def formats(self) -> tuple[str, ...]:
        """Those that the run is exported in, once it is finished."""
        return tuple(self._export.get("formats", ()))

    @property
    def validation_fraction(self) -> float:
        return float(self._export.get("validation_fraction", 0.0))

    @property
    def licence(self) -> str | None:
        """What the recipe gives the dataset; None if nobody has chosen one."""
        licence: str | None = self._export.get("license")
        return licence

    @property
    def known_fields(self) -> dict[str, Field]:
        """The fields that its rows and regions may have, by name."""
        return FIELDS | {each.name: each for each in self.fields}

    @property
    def _export(self) -> dict[str, Any]:
        return dict(self.recipe.get("export", {}))


def info_of(stored: Mapping[str, Any] | None) -> RunInfo | None:
    """What `run.json` says; None if it is of another form."""
    try:
        return _adapter().validate_python(stored)
    except ValueError:
        return None


def read_info(store: Store) -> RunInfo | None:
    """None if there is none that can be read."""
    return info_of(json_of(store, RUN))


def write_info(store: Store, info: RunInfo) -> None:
    store.replace(RUN, to_json(asdict(info)))


@cache
def _adapter() -> TypeAdapter[RunInfo]:
    return TypeAdapter(RunInfo)
