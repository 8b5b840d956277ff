"""Parquet: the dataset that a run leaves in `data/`, here with a split of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imgdiff.data.conversations import IMAGE, Turn, image_count
from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.export.base import Format, example_turns
from imgdiff.export.dataset import DatasetWriter
from imgdiff.export.split import Side
from imgdiff.export.validation import Example


class Parquet(Format):
    """Two configs, `pairs` with images and regions and `samples`, one row a region."""

    name = "parquet"

    def __init__(self, folder: Path, run: FinishedRun, validation_fraction: float) -> None:
        super().__init__(folder, run, validation_fraction)
        self._dataset = DatasetWriter(folder, run, "data", validation_fraction)

    def add(self, rows: Sequence[Row]) -> None:
        self._dataset.add(rows)
        self.written += sum(len(row.kept_regions) for row in rows if row.ok)

    def close(self) -> None:
        self._dataset.close()

    def examples(self, side: Side) -> Iterator[Example]:
        """Samples with the images of their pair; both tables have the pairs in one order."""
        waiting = self._records("samples", side)
        sample = next(waiting, None)
        for pair in self._records("pairs", side):
            while sample is not None and sample["pair_id"] == pair["id"]:
                yield _example(sample, pair)
                sample = next(waiting, None)

    def _records(self, config: str, side: Side) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq

        for path in self._dataset.files[config, side].files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=16):
                    yield from batch.to_pylist()


def _example(sample: dict[str, Any], pair: dict[str, Any]) -> Example:
    box = tuple(sample["box_xyxy"])
    return Example(
        sample["id"],
        _of_both_images(sample["conversations"]) if sample.get("conversations") else None,
        [pair[name]["bytes"] for name in ("image_a", "image_b")],
        [(0, box), (1, box)],
    )


def _of_both_images(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """A single `<image>` of a question stands for both images of the pair, as the card says."""
    said = example_turns(turns)
    if image_count(turns) != 1:
        return said
    return [
        (role, text.replace(IMAGE, IMAGE * 2) if role == "user" else text) for role, text in said
    ]
