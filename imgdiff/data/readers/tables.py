"""What the `datasets` library holds: folders that it saved, and datasets of the Hub."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from imgdiff.data.readers import HUB, SAVED
from imgdiff.data.readers.base import Address, InputError, Reader, Record, sha256_of_files

USUAL_SPLIT = "train"
ROWS, INDEX_ROWS = 8, 8192  # taken at once: with pictures, and ids alone


class TableReader(Reader):
    """Rows of a `datasets.Dataset` by index, as they are stored: no picture is decoded."""

    @property
    @abstractmethod
    def table(self) -> Any:
        """The `datasets.Dataset`, opened when first asked for: the library alone takes a second."""

    def index(self) -> Iterator[Record]:
        column = self.address.column("id", self.columns)
        return self._read([name for name in self.columns if name == column], 0, INDEX_ROWS)

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        columns = [name for name in self.columns if name in self.address.wanted]
        return self._read(columns, position or 0, ROWS)

    def _read(self, columns: list[str], first: int, size: int) -> Iterator[Record]:
        count = len(self.table)
        stored = self.table.select_columns(columns).with_format("arrow") if columns else None
        for start in range(first, count, size):
            stop = min(start + size, count)
            rows = stored[start:stop].to_pylist() if stored is not None else [{}] * (stop - start)
            for place, fields in enumerate(rows, start):
                yield Record(place + 1, place, f"row-{place + 1}", fields)


class SavedReader(TableReader):
    """A folder that `save_to_disk` made; of several splits `train` is read.

    Raises:
        InputError: it has several splits and none is called `train`, or a file of it is broken.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        assert address.place is not None  # `open_input` gives a folder
        self.folder = address.place
        several, _ = (self.folder / name for name in SAVED)
        try:
            if several.is_file():
                names = json.loads(several.read_text())["splits"]
                advice = f"Name the folder of one: {address.name}/{names[0]}"
                self.folder /= _split(address.name, names, None, advice)
            features = json.loads((self.folder / "dataset_info.json").read_text())["features"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{address.name}: not a whole saved dataset ({error})") from None
        self.columns = tuple(features)

    def sha256(self) -> str:
        names = [path.name for path in self.folder.glob("data-*.arrow")]
        return sha256_of_files(self.folder, ["dataset_info.json", *names])

    @cached_property
    def table(self) -> Any:
        from datasets import load_from_disk

        try:
            return load_from_disk(self.folder)
        except Exception as error:  # a damaged folder: Arrow, JSON and files each raise their own
            raise InputError(_reason(self.address.name, error)) from None


class HubReader(TableReader):
    """A dataset of the Hub at one commit, downloaded once into the library's cache.

    Pictures that the dataset stores as files must be among those of its own that were downloaded.

    Raises:
        InputError: the Hub does not give it, or it has no such configuration or split.
    """

    def __init__(self, address: Address) -> None:
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        super().__init__(address)
        match = HUB.fullmatch(address.name)
        assert match is not None  # `find` refuses other names
        name, self._config = match["name"], match["config"]
        folder = repo_folder_name(repo_id=name, repo_type="dataset")
        self.folder = Path(constants.HF_HUB_CACHE) / folder
        try:
            splits = _downloaded(name, self._config, address.revision)
            self._split = _split(address.name, splits, match["split"], "Add ?split= and one.")
            self._table = splits[self._split]
        except InputError:
            raise
        except Exception as error:  # which, depends on what the library was doing
            raise InputError(_reason(address.name, error)) from None
        self.columns = tuple(self._table.column_names)

    @property
    def table(self) -> Any:
        return self._table

    def sha256(self) -> str:
        """Of the commit, for that says what is in every file."""
        name = "\0".join(map(str, (self.folder.name, self.address.revision, self._config)))
        return hashlib.sha256(f"{name}\0{self._split}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _downloaded(name: str, config: str | None, revision: str | None) -> Any:
    """The splits of a dataset; kept, as every part of an input opens it and the Hub is asked."""
    from datasets import load_dataset

    return load_dataset(name, config, revision=revision)


def _split(name: str, splits: Iterable[Any], wanted: str | None, advice: str) -> str:
    """The wanted split; else `train`, or the only one."""
    names = [str(split) for split in splits]
    usual = USUAL_SPLIT if USUAL_SPLIT in names or len(names) != 1 else names[0]
    if (wanted or usual) not in names:
        raise InputError(f"{name} has the splits {', '.join(names)}. {advice}")
    return wanted or usual


def _reason(name: str, error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"{name}: {text.splitlines()[0]}"
