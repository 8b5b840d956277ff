"""Where a training recipe's examples come from, as it names them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from imgdiff.data.conversations import Form
from imgdiff.data.files import has_parquet
from imgdiff.recipe.schema import Section
from imgdiff.recipe.source import Key

if TYPE_CHECKING:
    from imgdiff.training.conversations import Examples


class DataSource(Section):
    """A run folder, or a file of instruction data (.json or .jsonl, as LLaVA has it)."""

    run: str | None = Field(None, min_length=1)
    form: Form = "joined"  # how a run's pairs are shown: as one picture or as two
    llava: str | None = Field(None, min_length=1)
    images: str | None = Field(None, min_length=1)  # of `llava`; its own folder by default
    share: float | None = Field(None, gt=0)  # of the examples, in proportion to the others' shares

    @model_validator(mode="after")
    def _one_place(self) -> "DataSource":
        if (self.run is None) == (self.llava is None):
            raise ValueError("expected run: FOLDER or llava: FILE")
        if self.images is not None and self.llava is None:
            raise ValueError("images goes with llava: a run has its own")
        if self.form != "joined" and self.run is None:
            raise ValueError("form goes with run: the questions of a file stay as they are")
        return self

    def missing(self) -> str | None:
        """What is not there and how to make it."""
        if self.run is not None:
            data = Path(self.run) / "data"
            if all(has_parquet(data / config) for config in ("pairs", "samples")):
                return None
            return (
                f"{self.run} has no samples. Make them: imgdiff run RECIPE export_path={self.run}"
            )
        assert self.llava is not None
        if not os.path.isfile(self.llava):
            return f"no such file: {self.llava}"
        if self.images is not None and not os.path.isdir(self.images):
            return f"no such folder: {self.images}"
        return None

    def training(self) -> "Examples":
        """The examples to train on.

        Raises:
            RefusedError: they cannot be read.
        """
        from imgdiff.training.conversations import LlavaExamples, RunExamples

        if self.run is not None:
            return RunExamples(Path(self.run), self.form)
        assert self.llava is not None
        file = Path(self.llava)
        return LlavaExamples(file, file.parent if self.images is None else Path(self.images))

    def validation(self) -> "Examples | None":
        """The examples that a run holds back, if it does."""
        from imgdiff.training.conversations import RunExamples

        if self.run is None:
            return None
        held = RunExamples(Path(self.run), self.form, "validation")
        return held if len(held) else None


def missing_data(data: Sequence[DataSource]) -> Iterable[tuple[Key, str]]:
    """(setting, what is not there) of all sources."""
    for number, source in enumerate(data):
        if text := source.missing():
            yield ("data", number, "run" if source.run is not None else "llava"), text


def checked_shares(data: Sequence[DataSource]) -> None:
    """
    Raises:
        ValueError: some of the sources have a share, but not all.
    """
    given = [source.share is not None for source in data]
    if any(given) and not all(given):
        raise ValueError("give every source a share, or none: then every example comes once")
