"""OHD: is an image's own caption above all those that do not fit it? (OHD-Caps, Liu et al. 2024,
arXiv 2410.03176)

A row is right where the own caption's score is strictly the highest. A tie is wrong: a model that
gives every caption the same score knows nothing, and the released code, which takes the first of
equal ones and puts the own caption first, would call it perfect. So is a row whose file repeats the
own caption among the negatives (2 of 500 rows in two of the released test files): nothing could be
right there, which is why accuracy is also given over distinct candidates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imgdiff.data.images import load_rgb
from imgdiff.errors import RefusedError, RowError
from imgdiff.evaluation.annotations import json_content, read_lines
from imgdiff.statistics.estimates import Estimate, mean
from imgdiff.text.negatives import FAMILIES


@dataclass(frozen=True)
class Item:
    """An image and its candidates.

    load: gives the image, [H, W, 3] uint8 RGB. captions: its own first. families: of the others,
    in their order; empty where the file does not say.
    """

    load: Callable[[], np.ndarray]
    captions: tuple[str, ...]
    families: tuple[str, ...] = ()


def read_released(path: Path, load: Callable[[str], np.ndarray]) -> list[Item]:
    """A file of the authors: a list (or lines) of `{"image", "caption": [...], "label"}`, where
    `label` is the place of the own caption, which is brought to the front.

    Raises:
        RefusedError: a row that is not of this form; the message names the file and the row.
    """
    items = []
    for record, place in _records(path):
        try:
            image, captions, label = record["image"], list(record["caption"]), record["label"]
            captions[0], captions[label] = captions[label], captions[0]
        except (KeyError, TypeError, IndexError) as error:
            text = f"expected image, caption (a list) and label ({type(error).__name__}: {error})"
            raise RefusedError(f"{place}: {text}") from None
        if not all(isinstance(caption, str) for caption in captions) or len(captions) < 2:
            raise RefusedError(f"{place}: caption is no list of two texts or more")
        items.append(Item(partial(load, str(image)), tuple(captions)))
    return items


def read_run(folder: Path) -> list[Item]:
    """The pairs that a run with `object_negatives_mapper` kept: its folder, or its `data`.

    Raises:
        RefusedError: it has no such data.
    """
    from pyarrow.parquet import ParquetFile

    place = folder if (folder / "pairs").is_dir() else folder / "data"
    paths = sorted((place / "pairs").glob("*.parquet"))
    items: list[Item] = []
    for path in paths:
        file = ParquetFile(path)
        wanted = ["image_a", "caption_a", "negatives"]
        if missing := [name for name in wanted if name not in file.schema_arrow.names]:
            raise RefusedError(f"{path} has no column {', '.join(missing)}")
        pictures, rows = _Pictures(path), file.read(columns=wanted[1:]).to_pylist()
        for number, row in enumerate(rows):
            captions = (row["caption_a"], *(n["caption"] for n in row["negatives"]))
            families = tuple(n["family"] for n in row["negatives"])
            items.append(Item(partial(pictures.load, number), captions, families))
    if not items:
        raise RefusedError(f"{folder} is no run that has kept images with negatives")
    return items


def scores(items: Sequence[Item], found: Sequence[np.ndarray]) -> dict[str, dict[str, Estimate]]:
    """Accuracy, and what chance would give, over candidates and by family.

    found: for each item the scores of its captions, as `Scorer.scores` gives them.

    raw: all candidates as they are; distinct: none twice, none equal to the own caption; a family:
    its distinct negatives against the own caption, over the rows that have one.
    """
    columns: dict[str, list[tuple[bool, float]]] = {}  # part -> (right, chance) of each row
    for item, values in zip(items, found, strict=True):
        own, others = values[0], np.asarray(values[1:])
        kept = _distinct(item)
        parts = {"raw": list(range(len(others))), "distinct": kept}
        for family in FAMILIES:
            parts[family] = [k for k in kept if item.families and item.families[k] == family]
        for name, places in parts.items():
            if places:
                tied = name == "raw" and item.captions[0] in item.captions[1:]
                right = bool((own > others[places]).all()) and not tied
                columns.setdefault(name, []).append((right, 1 / (1 + len(places))))
    tables = {}
    for name in ("raw", "distinct", *FAMILIES):
        if name in columns:
            right, chance = np.array(columns[name], float).T
            tables[name] = {"accuracy": mean(right), "chance": mean(chance)}
    return tables


def _distinct(item: Item) -> list[int]:
    """Places of the negatives that are neither the own caption nor one before them."""
    seen, kept = {item.captions[0]}, []
    for k, caption in enumerate(item.captions[1:]):
        if caption not in seen:
            seen.add(caption)
            kept.append(k)
    return kept


def _records(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The rows of a list in one JSON text, or of lines, each with its place for messages."""
    if path.suffix == ".jsonl":
        yield from read_lines(path)
        return
    content = json_content(path)
    if not isinstance(content, list):
        raise RefusedError(f"{path}: expected a list of rows")
    for number, record in enumerate(content, 1):
        yield record, f"{path}, row {number}"


class _Pictures:
    """The pictures of a parquet file, of one row group at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.first = path, 0
        self.rows: list[dict[str, Any]] = []

    def load(self, place: int) -> np.ndarray:
        """The picture of a row, [H, W, 3] uint8 RGB."""
        if not self.first <= place < self.first + len(self.rows):
            self._turn_to(place)
        try:
            return load_rgb(self.rows[place - self.first])
        except RowError as error:
            raise RefusedError(f"{self.path}, row {place + 1}: {error}") from None

    def _turn_to(self, place: int) -> None:
        from pyarrow.parquet import ParquetFile

        file, start = ParquetFile(self.path), 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if place < start + count:
                table = file.read_row_group(group, columns=["image_a"])
                self.first, self.rows = start, table["image_a"].to_pylist()
                return
            start += count
