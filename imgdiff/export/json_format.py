"""Formats of JSON records beside a folder of pictures."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TextIO

from imgdiff.export import FinishedRun
from imgdiff.export.base import SampleFormat
from imgdiff.export.samples import Sample
from imgdiff.export.split import Side
from imgdiff.export.validation import Example

JsonRecord = dict[str, Any]


class JsonFormat(SampleFormat):
    """`train.json` and `validation.json`, pictures under `images/`, named relative to the folder.

    one_a_line: JSON lines (`.jsonl`) instead of one list.
    """

    one_a_line: ClassVar[bool] = False

    def __init__(self, folder: Path, run: FinishedRun, validation_fraction: float) -> None:
        super().__init__(folder, run, validation_fraction)
        self._open: dict[Side, TextIO] = {}

    @abstractmethod
    def record(self, sample: Sample, pictures: Sequence[str]) -> JsonRecord:
        """The record of a sample. pictures: the names of its files."""

    @abstractmethod
    def example(self, record: JsonRecord) -> Example:
        """What the trainer makes of a record."""

    def file(self, side: Side) -> Path:
        return self.folder / f"{side}.{'jsonl' if self.one_a_line else 'json'}"

    def write(self, sample: Sample, pictures: Sequence[bytes]) -> None:
        names = [f"images/{sample.name}.{number}.png" for number in range(1, len(pictures) + 1)]
        for name, content in zip(names, pictures, strict=True):
            (self.folder / name).parent.mkdir(exist_ok=True)
            with (self.folder / name).open("xb") as file:  # never over another sample's
                file.write(content)
        text = json.dumps(self.record(sample, names), ensure_ascii=False)
        if sample.side in self._open:
            separator = "\n" if self.one_a_line else ",\n"
        else:
            self._open[sample.side] = self.file(sample.side).open("w", encoding="utf-8")
            separator = "" if self.one_a_line else "[\n"
        self._open[sample.side].write(separator + text)

    def close(self) -> None:
        for file in self._open.values():
            file.write("\n" if self.one_a_line else "\n]\n")
            file.close()

    def examples(self, side: Side) -> Iterator[Example]:
        if side in self._open:
            yield from map(self.example, self._records(side))

    def read(self, name: str) -> bytes | None:
        """A picture that a record names; None if it is not there."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def _records(self, side: Side) -> Iterator[JsonRecord]:
        with self.file(side).open(encoding="utf-8") as file:
            yield from map(json.loads, file) if self.one_a_line else json.load(file)
