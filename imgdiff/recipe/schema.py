"""What a recipe of a run may say: its sections and settings, with their types and bounds."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from imgdiff.data.files import path_name
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName

LARGEST_VALIDATION = 0.5
HUB_NAME = re.compile(r"(?!.*(?:--|\.\.))\w[\w.-]*/\w(?:[\w.-]{0,94}\w)?(?<!\.git)", re.ASCII)


def hub_name(name: str) -> str:
    """`name`, if the Hub takes it as that of a repository.

    Raises:
        ValueError: it does not; the message says what is allowed.
    """
    if not HUB_NAME.fullmatch(name):
        raise ValueError(f'"{name}" is no name on the Hub, expected owner/name such as me/pairs')
    return name


class Section(BaseModel):
    """A part of a recipe: no other keys than these, no type but theirs."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class Limits(Section):
    max_failed_fraction: float = Field(default=0.02, ge=0, le=1)  # above it, exit code 3
    max_row_seconds: float | None = Field(default=None, gt=0)  # of an operator, for each row
    max_pixels: int = Field(default=40_000_000, ge=1)  # of an imported image


class WorkerPool(Section):
    """The workers of a phase on Ray, and what each of them takes."""

    num_gpus: float = Field(default=0.0, ge=0)  # a fraction shares a GPU
    num_cpus: float = Field(default=0.25, ge=0)  # little, so that all phases fit a small machine
    memory: int = Field(default=0, ge=0)  # bytes that Ray sets aside; 0: none
    concurrency: int | list[int] = 1  # workers, or [least, most]

    @model_validator(mode="after")
    def _ordered(self) -> "WorkerPool":
        least, most = self.workers
        if not 1 <= least <= most:
            raise ValueError("concurrency is a number from 1 on, or [least, most]")
        return self

    @property
    def workers(self) -> tuple[int, int]:
        """The least and the most."""
        if isinstance(self.concurrency, int):
            return self.concurrency, self.concurrency
        least, most = self.concurrency if len(self.concurrency) == 2 else (0, 0)
        return least, most

    @property
    def least(self) -> dict[str, float]:
        """What the least workers take together, by Ray's names."""
        one = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": float(self.memory)}
        return {name: self.workers[0] * amount for name, amount in one.items()}


class Export(Section):
    """What is made of a complete run besides `data/`; all of it can be had later, too."""

    formats: list[str] = []  # names of `imgdiff.export.formats`
    validation_fraction: float = Field(default=0.0, ge=0, le=LARGEST_VALIDATION)  # of captions
    hub_repo: str | None = None  # "me/pairs": pushed there. The token is never part of a recipe
    private: bool = False  # of a repository that the push creates
    license: str | None = None  # of the dataset, as the Hub names licences: cc-by-4.0

    @field_validator("hub_repo")
    @classmethod
    def _named(cls, name: str | None) -> str | None:
        return name if name is None else hub_name(name)


class Decontaminate(Section):
    """Sets that models are tested on: rows of the input that are in them are rejected."""

    hashes: list[str] = []  # files of perceptual hashes, as `imgdiff hashes` writes them
    captions: list[str] = []  # files of captions, of every kind that `dataset_path` takes
    max_distance: int = Field(default=4, ge=0, le=32)  # bits, of 64, between hashes of one picture


class Recipe(Section):
    project_name: str = Field(min_length=1)
    dataset_path: str = Field(min_length=1)
    columns: dict[str, str] = Field(default_factory=dict)  # field -> the input's name for it
    resize: Literal["refuse", "fit"] = "refuse"  # an image B that is not of A's size
    export_path: Annotated[str, AfterValidator(path_name)] = Field(min_length=1)
    executor_type: Literal["local", "ray"] = "local"
    ray_address: str | None = None  # of a cluster; else the job's, the machine's, or one of its own
    phases: dict[str, WorkerPool] = Field(default_factory=dict)  # on Ray: the workers of each phase
    seed: int = Field(42, ge=0, lt=2**63)
    shard_rows: int = Field(16, ge=1, le=100_000)  # the unit of work and of resume
    limit: int | None = Field(None, ge=1)  # the first rows only; may be raised later
    models: str | dict[str, Any] = "embedded"  # a named set, or role: checkpoint
    limits_for: dict[str, str] = Field(default_factory=dict)  # role -> whose scores limits are of
    lexicon: LexiconName = DEFAULT_LEXICON  # of every operator that names no other
    operators: list[str] = []  # Python files that register operators of one's own
    decontaminate: Decontaminate = Field(default_factory=Decontaminate)
    limits: Limits = Field(default_factory=Limits)
    export: Export = Field(default_factory=Export)
    process: list[Any] = Field(min_length=1)  # operators, each a name or {name: settings}
