"""Parquet, folders that `datasets` saved, and datasets of the Hub: the same rows from each."""

from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imgdiff.data.images import encode_png
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find, open_input, pinned_input
from imgdiff.data.readers.base import InputError
from imgdiff.data.readers.tables import _downloaded
from imgdiff.errors import RefusedError

PAIRS = Demand(42, 1000, frozenset(["image_a", "image_b"]), frozenset())
COUNT = 20
COMMIT = "1" * 40


def picture(shade):
    return {"bytes": encode_png(np.full((8, 8, 3), shade, np.uint8))["bytes"], "path": None}


def pairs(count=COUNT, **columns):
    """Records whose image A has its own shade of grey."""
    return [
        {"id": f"p{k}", "image_a": picture(k), "image_b": picture(200), "note": k} | columns
        for k in range(count)
    ]


def as_dataset(records):
    kinds = {"id": datasets.Value("string"), "note": datasets.Value("int64")}
    images = {"image_a": datasets.Image(), "image_b": datasets.Image()}
    return datasets.Dataset.from_list(records, features=datasets.Features(kinds | images))


def write_file(records):
    pq.write_table(pa.Table.from_pylist(records), "pairs.parquet", row_group_size=6)
    return "pairs.parquet"


def write_folder(records):
    Path("pairs").mkdir()
    for part, start in enumerate(range(0, len(records), 7)):
        table = pa.Table.from_pylist(records[start : start + 7])
        pq.write_table(table, f"pairs/{part:02}.parquet", row_group_size=3)
    return "pairs"


def save(records):
    as_dataset(records).save_to_disk("pairs")
    return "pairs"


def save_splits(records):
    datasets.DatasetDict({"train": as_dataset(records)}).save_to_disk("pairs")
    return "pairs"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("write", [write_file, write_folder, save, save_splits])
def test_rows_by_position(write):
    records = pairs()
    source = Input(find(write(records)))
    assert source.ids == [f"p{k}" for k in range(COUNT)]
    assert (source.columns, source.ignored) == (("image_a", "image_b"), ["note"])
    for start, stop in ((0, COUNT), (5, 9), (7, 8), (18, 20)):
        rows = source.part(start, stop).rows(PAIRS)
        assert all(row.ok for row in rows)
        expected = [record["image_a"] for record in records[start:stop]]
        assert [row["image_a"] for row in rows] == expected


@pytest.mark.parametrize("write", [write_file, write_folder, save])
def test_the_hash_changes_with_a_picture(write, tmp_path, monkeypatch):
    hashes = set()
    for name, shade in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        hashes.add(Input(find(write(pairs(2, image_b=picture(shade))))).sha256)
    assert len(hashes) == 2


def test_rows_without_ids_are_called_by_their_number():
    records = [{k: v for k, v in record.items() if k != "id"} for record in pairs(3)]
    assert Input(find(write_file(records))).ids == ["row-1", "row-2", "row-3"]


def test_repeated_ids_are_refused_with_both_rows():
    with pytest.raises(InputError, match=r'parquet: id "x" appears in rows 1 and 2. Ids must be'):
        Input(find(write_file(pairs(3, id="x"))))


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        ("cat.png", "", ""),
        (picture(1)["bytes"], "", ""),
        ({"bytes": None, "path": "cat.png"}, "", ""),
        ({"bytes": None, "path": "../cat.png"}, "path_outside", "is outside the input's folder"),
        ({"bytes": b"", "path": None}, "image_empty", "image_a is empty"),
        ({"bytes": b"<html>", "path": None}, "image_unreadable", "image_a is not a JPEG"),
        ({"bytes": bytes(8001), "path": None}, "image_too_large", "image_a is too large for 1000"),
        ({"bytes": None, "path": None}, "image_path", "image_a is empty, expected a path"),
        (5, "image_path", "image_a is a number, expected a path"),
        (None, "image_missing", "no image_a"),
    ],
)
def test_forms_of_a_picture(value, reason, message):
    Path("cat.png").write_bytes(picture(1)["bytes"])
    (row,) = Input(find(write_file(pairs(1, image_a=value)))).part(0, 1).rows(PAIRS)
    assert row.reason == (f"input: {reason}" if reason else "")
    assert message in row.message
    if row.ok:
        assert row["image_a"]["bytes"] == picture(1)["bytes"]
    else:
        assert row.message.startswith("pairs.parquet, row 1: ")


def test_a_damaged_row_group_costs_its_rows():
    """The first two groups are whole; the pictures of the third are overwritten."""
    path = write_file(pairs())
    place = pq.ParquetFile(path).metadata.row_group(2).column(1).data_page_offset
    content = bytearray(Path(path).read_bytes())
    content[place : place + 40] = bytes(40)
    Path(path).write_bytes(content)
    rows = Input(find(path)).part(0, COUNT).rows(PAIRS)
    assert [row.ok for row in rows] == [True] * 12 + [False] * 6 + [True] * 2
    assert rows[12].reason == "input: input_row"
    assert rows[12].message.startswith("pairs.parquet, row 13: the file is damaged here (")


def test_only_the_columns_of_a_row_are_read(monkeypatch):
    path = write_file(pairs())
    read = []
    original = pq.ParquetFile.iter_batches

    def spy(self, **given):
        read.append(given["columns"])
        return original(self, **given)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    Input(find(path)).part(6, 8).rows(PAIRS)
    assert read == [["id"]] * 4 + [["id", "image_a", "image_b"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.parquet", {"x.parquet": "x"}, r"x\.parquet: x\.parquet is no parquet: "),
        ("x", {"x/y.parquet": "x"}, r"x: y\.parquet is no parquet: "),
        ("x", {"x/state.json": "{}"}, "x: not a whole saved dataset "),
        ("x", {"x/dataset_dict.json": "[]"}, "x: not a whole saved dataset "),
        (
            "x",
            {"x/dataset_dict.json": '{"splits": ["one", "two"]}'},
            "x has the splits one, two. Name the folder of one: x/one",
        ),
        (
            "x",
            {"x/state.json": "{}", "x/dataset_info.json": '{"features": {"id": {}}}'},
            "^x: ",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(name, content, message):
    for path, text in content.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    with pytest.raises(InputError, match=message):
        Input(find(name))


@pytest.fixture
def hub(monkeypatch):
    """`datasets.load_dataset` gives this; what it was asked for is in `asked`."""
    asked = []
    splits = {"train": as_dataset(pairs(3)), "test": as_dataset(pairs(2))}

    def load(*given, **named):
        asked.append((*given, named["revision"]))
        return splits

    monkeypatch.setattr(datasets, "load_dataset", load)
    yield asked
    _downloaded.cache_clear()


@pytest.mark.parametrize(
    ("name", "config", "count"),
    [
        ("hf://me/pairs", None, 3),
        ("hf://datasets/me/pairs", None, 3),
        ("hf://me/pairs?split=test", None, 2),
        ("hf://me/pairs@v1/small?split=test", "small", 2),
    ],
)
def test_a_dataset_of_the_hub(hub, name, config, count):
    source = Input(replace(find(name), revision=COMMIT))
    assert hub == [("me/pairs", config, COMMIT)]
    assert len(source) == count
    assert all(row.ok for row in source.part(0, count).rows(PAIRS))


def test_a_commit_is_what_a_dataset_of_the_hub_is_known_by(hub):
    first, second = (Input(replace(find("hf://me/pairs"), revision=c * 40)) for c in "12")
    assert first.sha256 != second.sha256


def test_a_split_that_is_not_there(hub):
    with pytest.raises(InputError, match=r"has the splits train, test\. Add \?split= and one"):
        open_input(replace(find("hf://me/pairs?split=x"), revision=COMMIT))


def test_a_recorded_commit_is_kept():
    assert pinned_input(find("hf://me/pairs"), COMMIT).revision == COMMIT
    assert pinned_input(find("hf://me/pairs@" + COMMIT), None).revision == COMMIT


def test_a_hub_that_cannot_be_reached_refuses_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RefusedError) as error:
        pinned_input(find("hf://me/pairs"), None)
    assert str(error.value) == (
        "dataset_path: the Hub cannot be reached, and me/pairs at main is not on this disk"
    )
