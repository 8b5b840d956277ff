"""What a format is: a way to write samples, and the way its trainer reads them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from imgdiff.data.conversations import Form, Turn
from imgdiff.data.images import encode_png
from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.export.samples import Sample, samples
from imgdiff.export.split import Side, Split
from imgdiff.export.validation import Example, validate

ROLES = {"human": "user", "gpt": "assistant"}


class Format(ABC):
    """Fills an empty folder with what a run kept, and reads it back.

    name: in a recipe and on the command line. written: how many samples were added.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path, run: FinishedRun, validation_fraction: float) -> None:
        self.folder, self.run = folder, run
        self.validation_fraction = validation_fraction
        self.split = Split(run.info.seed, validation_fraction)
        self.written = 0

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> None:
        """Write the rows of a shard, as far as they were kept."""

    @abstractmethod
    def close(self) -> None:
        """Finish the files: no rows follow."""

    @abstractmethod
    def examples(self, side: Side) -> Iterator[Example]:
        """What is in the folder, read the way the trainer documents."""


class SampleFormat(Format):
    """A format of single samples, pictures drawn in the form that suits its trainer."""

    form: ClassVar[Form] = "two_images"

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for sample in samples(row, self.form, self.split):
                pictures = [encode_png(picture)["bytes"] for picture in sample.pictures]
                drawn = Example(sample.id, example_turns(sample.turns), pictures, sample.boxes)
                validate(drawn, self.name)  # not only when all is written, hours later
                self.write(sample, pictures)
                self.written += 1

    @abstractmethod
    def write(self, sample: Sample, pictures: Sequence[bytes]) -> None:
        """Write one sample. pictures: its pictures as PNG."""


def messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Turns with the roles user and assistant."""
    return [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in turns]


def example_turns(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Turns as an example has them."""
    return [(ROLES.get(turn["from"], turn["from"]), turn["value"]) for turn in turns]
