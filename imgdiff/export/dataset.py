"""The dataset of a finished run: `data/` holds what was kept, `dropped/` what was refused.

Both open with `datasets.load_dataset(folder, config)`. An image is stored once, in its pair's row;
samples and regions name their pair.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.export.card import write_card
from imgdiff.export.parquet_files import ParquetFiles
from imgdiff.export.pictures import CardPictures
from imgdiff.export.split import SIDES, Side, Split
from imgdiff.export.tables import Table, tables
from imgdiff.store.files import swap_folder


def write_dataset(run: FinishedRun, validation_fraction: float = 0.0) -> None:
    """Write `data/` and `dropped/` of a run folder, replacing earlier ones whole."""
    building = BuildingDataset(run, validation_fraction)
    for shard in range(run.shard_count):
        building.add(run.rows(shard))
    building.close()


class BuildingDataset:
    """`data/` and `dropped/` of a run folder, as its shards pass by.

    They are built in hidden folders and renamed into place at the end: an interrupted write leaves
    the earlier ones, and the next one starts afresh.
    """

    def __init__(self, run: FinishedRun, validation_fraction: float) -> None:
        self._places = {run.path / f".{name}.new": run.path / name for name in ("data", "dropped")}
        for path in self._places:
            shutil.rmtree(path, ignore_errors=True)
        data, dropped = self._places
        self._writers = [
            DatasetWriter(data, run, "data", validation_fraction),
            DatasetWriter(dropped, run, "dropped"),
        ]

    def add(self, rows: Sequence[Row]) -> None:
        for writer in self._writers:
            writer.add(rows)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        for path, target in self._places.items():
            swap_folder(path, target)


class DatasetWriter:
    """Writes `data` (what was kept) or `dropped` of a run into `path`, at the end its card.

    A split is a file name's beginning, and there is none of it where nothing is held back. A table
    without rows has no file, for `datasets` refuses empty ones.
    """

    def __init__(
        self, path: Path, run: FinishedRun, folder: str, validation_fraction: float = 0.0
    ) -> None:
        self.path, self.run, self.kept = path, run, folder == "data"
        self.pictures = CardPictures()
        self.tables = [table for table in tables(run.info) if table.folder == folder]
        self.split = Split(run.info.seed, validation_fraction)
        self.files = {
            (table.config, side): ParquetFiles(
                path / table.config,
                f"{side}-" if validation_fraction else "",
                table.features.arrow_schema,
            )
            for table in self.tables
            for side in SIDES
        }
        path.mkdir(parents=True, exist_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        if self.kept:
            self.pictures.add(rows)
        sides: dict[Side, list[Row]] = {side: [] for side in SIDES}
        for row in rows:
            sides[self.split.side(row)].append(row)
        for table in self.tables:
            for side, members in sides.items():
                records = [record for row in members for record in table.records(row)]
                self.files[table.config, side].add(records)

    def close(self) -> None:
        for files in self.files.values():
            files.close()
        filled = [table for table in self.tables if any(self._sides(table))]
        if self.kept and filled:
            self.pictures.write(self.path / "card", self.run.info)
        write_card(self.path / "README.md", self.run, kept=self.kept, tables=filled)

    def _sides(self, table: Table) -> list[Side]:
        return [side for side in SIDES if self.files[table.config, side].files]
