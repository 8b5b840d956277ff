"""TRL: prompts, completions and images, of which SFTTrainer trains on the completions alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from imgdiff.data.conversations import IMAGE
from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.export.base import SampleFormat, messages
from imgdiff.export.card import config
from imgdiff.export.parquet_files import ParquetFiles
from imgdiff.export.samples import Sample
from imgdiff.export.split import SIDES, Side
from imgdiff.export.validation import Example

ContentPart = dict[str, str | None]  # type (image, text) and text
TrlMessage = dict[str, Any]  # role, and content as a list of parts


class Trl(SampleFormat):
    """Parquet files that `load_dataset(folder, split=...)` opens: prompt and completion as lists of
    messages, images as `List(Image)` in the order of the prompt's parts of that type.

    Every answer is a record: the completion is the answer, the prompt all that was said before it.
    As one list of messages TRL would train on every token, the questions and those that stand for
    pictures too.
    """

    name = "trl"

    def __init__(self, folder: Path, run: FinishedRun, validation_fraction: float) -> None:
        from datasets import Features, Image, List, Value

        super().__init__(folder, run, validation_fraction)
        text = Value("string")
        messages = List({"role": text, "content": List({"type": text, "text": text})})
        columns = {"id": text, "prompt": messages, "completion": messages, "images": List(Image())}
        schema = Features(columns).arrow_schema
        self._files = {side: ParquetFiles(folder / "data", f"{side}-", schema) for side in SIDES}
        self._records: dict[Side, list[dict[str, Any]]] = {side: [] for side in SIDES}

    def add(self, rows: Sequence[Row]) -> None:
        super().add(rows)
        for side, records in self._records.items():
            self._files[side].add(records)
            records.clear()

    def write(self, sample: Sample, pictures: Sequence[bytes]) -> None:
        images = [
            {"bytes": content, "path": f"{sample.name}.{number}.png"}
            for number, content in enumerate(pictures, 1)
        ]
        records = list(_records(sample, images))
        self._records[sample.side] += records
        self.written += len(records) - 1  # beside the sample itself

    def close(self) -> None:
        for files in self._files.values():
            files.close()
        head = yaml.safe_dump({"configs": [config(self.folder, "data")]}, sort_keys=False)
        (self.folder / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8")

    def examples(self, side: Side) -> Iterator[Example]:
        import pyarrow.parquet as pq

        for path in self._files[side].files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=16):
                    yield from map(_example, batch.to_pylist())


def _records(sample: Sample, images: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One for each answer; of several the later ones have a number behind the sample's id."""
    spoken: list[TrlMessage] = [
        {"role": message["role"], "content": list(_parts(message["content"]))}
        for message in messages(sample.turns)
    ]
    for number, end in enumerate(range(2, len(spoken) + 1, 2), 1):
        prompt, completion = spoken[: end - 1], spoken[end - 1 : end]
        shown = sum(part["type"] == "image" for each in prompt for part in each["content"])
        yield {
            "id": sample.id if number == 1 else f"{sample.id}/{number}",
            "prompt": prompt,
            "completion": completion,
            "images": images[:shown],
        }


def _parts(text: str) -> Iterator[ContentPart]:
    """`<image>\n<image>\nWhat differs?` as two images and a text."""
    for number, words in enumerate(text.split(IMAGE)):
        if number:
            yield {"type": "image", "text": None}
        if words.strip():
            yield {"type": "text", "text": words.strip()}


def _example(record: dict[str, Any]) -> Example:
    turns = [
        (message["role"], "".join(map(_words, message["content"])))
        for message in (*record["prompt"], *record["completion"])
    ]
    return Example(record["id"], turns, [image["bytes"] for image in record["images"]])


def _words(part: ContentPart) -> str:
    return IMAGE if part["type"] == "image" else part["text"] or ""
