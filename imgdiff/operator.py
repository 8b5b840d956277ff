"""What an operator is: settings, four facts and one method; and the registry that finds it by name.

An operator holds no `try`, no file names, no clock and no global random numbers. The engine hands
it copies of rows that are still ok, in order, splits a failing batch until the one bad row is
alone, and keeps the rest.
"""

import hashlib
import importlib.util
import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imgdiff.data.fields import Field as RowField
from imgdiff.data.rows import Region, Row

if TYPE_CHECKING:
    from imgdiff.models import Models


INHERITED = ("lexicon",)  # settings that the recipe gives to all operators that have them
LONGEST_NAME = 100  # characters; a file may be called so
OPERATOR_SET = "imgdiff.operators"  # the package whose files are found without being named
OUTSIDE = "imgdiff_extra_"  # begins the module name of an operator file outside the package
DIGEST = "__imgdiff_sha256__"  # in such a module: of its file
log = logging.getLogger(__name__)


class Params(BaseModel):
    """Settings of an operator: every number bounded, unknown keys refused.

    former_names: what a setting was called before -> what it is called now, for those who still
    write the former.
    """

    former_names: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    batch_size: int = Field(16, ge=1, le=4096, description="rows handed over at once")


class Range(Params):
    """A closed range that a score must lie in."""

    min_score: float = Field(-1.0, ge=-1, le=1)
    max_score: float = Field(1.0, ge=-1, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.min_score > self.max_score:
            raise ValueError(f"min_score {self.min_score} is above max_score {self.max_score}")
        return self


class Operator(ABC):
    """One step of a recipe. A worker makes its own (`fresh`), sets it up once, calls it with
    batches, and drops it with its models; those of a plan are never set up."""

    name: ClassVar[str]  # in a recipe; set by `register`
    version: ClassVar[str] = "1"  # raised when the same settings give other results
    stage: ClassVar[str] = ""  # what it is part of: operators of one stage run as one phase
    Params: ClassVar[type[Params]] = Params
    fields: ClassVar[tuple[RowField, ...]] = ()  # of its own: those that the package does not have
    # settings may change these six
    reads: tuple[str, ...] = ()  # fields it needs
    writes: tuple[str, ...] = ()  # fields it makes
    roles: tuple[str, ...] = ()  # models it needs
    # roles of which it needs the tokenizer alone, to tell what is too long; unbound: nothing is
    tokenizers: ClassVar[tuple[str, ...]] = ()
    # role -> what it asks of that model, where not every family can do it (`Family.can`)
    asks: Mapping[str, str] = {}
    region_scores: tuple[str, ...] = ()  # names of the numbers it leaves in `region.scores`
    # groups of scores of which one is enough, if it meets its limits; none: all have to meet theirs
    any_of: tuple[tuple[str, ...], ...] = ()
    scores: ClassVar[tuple[str, ...]] = ()  # and in `row.scores`
    # score -> the setting that is the lowest value which passes, and the one that is the highest
    limits: ClassVar[Mapping[str, tuple[str | None, str | None]]] = {}
    # settings that depend on whose scores they are limits of: on the family of a model of `roles`
    scaled: ClassVar[tuple[str, ...]] = ()
    surveyed: Any = None  # what `survey` found

    def __init__(self, params: BaseModel) -> None:
        self.params: Any = params  # of the class's `Params`

    def fresh(self) -> Self:
        """Another one with the same settings, models and survey, not set up."""
        made = type(self)(self.params)
        made.surveyed, made.roles = self.surveyed, self.roles
        return made

    def use(self, bound: Collection[str]) -> None:
        """Do without those models that are not bound of which it needs the tokenizer alone."""
        spared = set(self.tokenizers) - set(bound)
        self.roles = tuple(role for role in self.roles if role not in spared)

    @property
    def loaded_roles(self) -> tuple[str, ...]:
        """Those whose weights are loaded: of the others the tokenizer alone is."""
        return tuple(role for role in self.roles if role not in self.tokenizers)

    def survey(self, rows: Iterable[Row]) -> Any:
        """What it has to know of the whole input before the first row, as plain values.

        Asked once, where a run starts; whoever runs it then finds the answer in `surveyed`.
        rows: every readable one of the input, in order, with its captions and objects alone.
        """
        return None

    def setup(self, models: "Models") -> None:  # noqa: B027 (an operator without models needs none)
        """Take the models of `roles`. Called once per worker."""

    def thresholds(self) -> dict[str, tuple[float | None, float | None]]:
        """Score -> (lowest, highest) value that passes, from `limits`: None where the setting is
        null or there is none, and no score that it does not leave or that has no limit at all."""
        left = {*self.scores, *self.region_scores}
        found = {
            score: (self._limit(lowest), self._limit(highest))
            for score, (lowest, highest) in self.limits.items()
            if score in left
        }
        return {score: both for score, both in found.items() if both != (None, None)}

    def _limit(self, setting: str | None) -> float | None:
        return None if setting is None else getattr(self.params, setting)

    @abstractmethod
    def run(self, rows: Sequence[Row]) -> list[Row]:
        """The rows, same number and order, with fields written or endings set. May change
        `rows`."""


class Mapper(Operator):
    """Writes fields."""

    @abstractmethod
    def process(self, rows: Sequence[Row]) -> None:
        """Write fields of the rows in place; a row may be rejected with a reason code."""

    def run(self, rows: Sequence[Row]) -> list[Row]:
        self.process(rows)
        return list(rows)


class Filter(Operator):
    """Scores rows with a model, then decides by thresholds alone, so that these can be moved
    afterwards."""

    decided_by: ClassVar[tuple[str, ...]] = ()  # settings that only `decide` reads, beside limits
    screens: tuple[str, ...] = ()  # fields that are stored of no row but those it let pass
    # scores that say something else than whether a sample is right (a size, what is safe): ratings
    # of samples do not tell where their limits should be
    fixed: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def score(self, rows: Sequence[Row]) -> None:
        """Leave scores in the rows (or their kept regions): the model's work."""

    @abstractmethod
    def decide(self, row: Row) -> None:
        """Reject the row, or regions of it, by its scores: no model, no random numbers."""

    @property
    def movable(self) -> tuple[str, ...]:
        """The settings that only `decide` reads: where one is moved, stored scores are decided
        again."""
        names = _limiting(type(self)) | {*self.decided_by}
        return tuple(name for name in type(self.params).model_fields if name in names)

    def run(self, rows: Sequence[Row]) -> list[Row]:
        self.score(rows)
        for row in rows:
            if row.ok:  # a row without what is to be scored is rejected there
                self.decide(row)
        return list(rows)


class RowRangeFilter(Filter):
    """A filter with one score per row that must lie in [min_score, max_score]."""

    Params: ClassVar[type[Params]] = Range
    too_low: ClassVar[str]  # reason codes
    too_high: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.limits = dict.fromkeys(cls.scores, ("min_score", "max_score"))

    def decide(self, row: Row) -> None:
        (name,) = self.scores
        value, low, high = row.scores[name], self.params.min_score, self.params.max_score
        if not low <= value <= high:
            code = self.too_low if value < low else self.too_high
            row.reject(self.name, code, f"{name} is {value:.3f}, wanted {low:g} to {high:g}")


class RegionFilter(Filter):
    """A filter of regions; a row whose last region is refused is rejected with `nothing_left`."""

    nothing_left: ClassVar[str]  # reason code of the row

    @abstractmethod
    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        """Reject regions of `regions`, the ones of the row that are still ok."""

    def decide(self, row: Row) -> None:
        regions = row.kept_regions
        self.decide_regions(row, regions)
        if not row.kept_regions:
            row.reject(
                self.name, self.nothing_left, f"none of {len(regions)} areas passed {self.name}"
            )


class Selector(Operator):
    """Decides about a row by the rows kept before it, so across the whole run.

    Selectors stand last in a recipe. Once all rows have come through everything before, one process
    puts those still ok to them one by one, in the order of the input: without pictures, unless
    these are among `reads`, and without models. `setup` begins with nothing kept.
    """

    stage = "selection"  # of every selector: they decide together

    @abstractmethod
    def decide(self, row: Row) -> None:
        """Score the row against those that were kept, and reject it by that; remember nothing."""

    @abstractmethod
    def keep(self, row: Row) -> None:
        """Remember a row that every selector of the recipe has let pass."""

    def run(self, rows: Sequence[Row]) -> list[Row]:
        for row in rows:
            self.decide(row)
        return list(rows)


class Composite:
    """A name for a chain of operators: `difference_area_generator: {region_difference_filter:
    {...}}`."""

    name: ClassVar[str]
    steps: ClassVar[tuple[str, ...]]


Registered = type[Operator] | type[Composite]
_T = TypeVar("_T", bound=Registered)
_REGISTRY: dict[str, Registered] = {}


def register(name: str) -> Callable[[_T], _T]:
    """Class decorator: the operator (or composite) is called `name` in recipes.

    Raises:
        ValueError: another class has that name, its stage cannot name a folder, or a fact names
            a setting or score that it has not.
    """

    def put(cls: _T) -> _T:
        if issubclass(cls, Operator):
            _check_stage(name, cls)
            _check_limits(name, cls)
        known = _REGISTRY.get(name, cls)
        if _address(known) != _address(cls):  # a file that is read again replaces its own
            raise ValueError(f"operator {name} is in both {_address(known)} and {_address(cls)}")
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return put


def _check_stage(name: str, cls: type[Operator]) -> None:
    """A run keeps the files of a phase in a folder of that name."""
    if cls.stage and not cls.stage.isidentifier():
        raise ValueError(f"{name}: stage {cls.stage!r}, expected a word such as image_pairs")
    if issubclass(cls, Selector) and cls.stage != Selector.stage:
        raise ValueError(f"{name}: stage {cls.stage!r}, but selectors are all of {Selector.stage}")


def _check_limits(name: str, cls: type[Operator]) -> None:
    scores, settings = {*cls.scores, *cls.region_scores}, {*cls.Params.model_fields}
    for score in cls.limits:
        if score not in scores:
            raise ValueError(f"{name}: limits name {score!r}, but it leaves no such score")
    others = {*cls.decided_by} if issubclass(cls, Filter) else set()
    for score in sorted({*cls.fixed} - scores) if issubclass(cls, Filter) else ():
        raise ValueError(f"{name}: fixed names {score!r}, but it leaves no such score")
    for setting in sorted((_limiting(cls) | others | {*cls.scaled}) - settings):
        raise ValueError(f"{name}: decided by {setting!r}, but it has no such setting")


def _limiting(cls: type[Operator]) -> set[str]:
    return {setting for pair in cls.limits.values() for setting in pair if setting is not None}


def _address(cls: Registered) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def find_operator(name: str) -> Registered | None:
    """The operator of that name, if there is one. Where it stands in a file of its name, no other
    file of the operator set is imported."""
    if name not in _REGISTRY and name.isidentifier() and len(name) <= LONGEST_NAME:
        _import_files(name)
    return _REGISTRY.get(name) or registry().get(name)


def registry() -> dict[str, Registered]:
    """Every known operator by name; imports the operator set (which imports no model library)."""
    _import_files("*")
    return _REGISTRY


def _import_files(name: str) -> None:
    """Import the operator set's files of that name, which register what they hold."""
    for folder in importlib.import_module(OPERATOR_SET).__path__:
        for file in sorted(Path(folder).rglob(f"{name}.py")):
            inside = file.relative_to(folder).with_suffix("").parts
            if inside[-1] != "__init__":
                importlib.import_module(".".join((OPERATOR_SET, *inside)))


def file_digest_of(cls: type[Operator]) -> str | None:
    """SHA-256 of the file outside the package that registers an operator; None of the operator
    set's own, which its version speaks for."""
    if not cls.__module__.startswith(OUTSIDE):
        return None
    digest: str = getattr(sys.modules[cls.__module__], DIGEST)
    return digest


def load_operator_file(path: Path) -> None:
    """Run a Python file outside the package that registers operators, and say so.

    What is run is the text that was hashed: Python's own import would prefer a compiled copy that
    lies beside it.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not os.path.isfile(path):  # Path.is_file() raises where a name is too long
        raise FileNotFoundError(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    log.warning("executing %s, sha256 %s", path, digest)
    _execute(f"{OUTSIDE}{path.stem}", path, content)


def load_same_file(name: str, path: str, digest: str) -> bool:
    """Run the same file in another process of a run, as the module of that name; whether it is
    still the same, else it is not run."""
    content = Path(path).read_bytes()
    is_same = hashlib.sha256(content).hexdigest() == digest
    if is_same:
        _execute(name, Path(path), content)
    return is_same


def _execute(name: str, path: Path, content: bytes) -> None:
    """Run what is hashed, not what may be in the file later."""
    registry()  # no name of the operator set is taken again
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, DIGEST, hashlib.sha256(content).hexdigest())
    sys.modules[spec.name] = module  # where dataclasses and pydantic look up a class's annotations
    exec(compile(content, path, "exec"), vars(module))
