"""Parquet files hold what was added, in order, whatever waited in memory and for how long."""

from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import SCHEMA, JoiningFiles, records

from imgdiff.export import parquet_files
from imgdiff.export.parquet_files import ParquetFiles


@pytest.mark.parametrize("group_bytes", [1, 20_000, 64 << 20])
@pytest.mark.parametrize("file_bytes", [1, 10_000, 500 << 20])
def test_the_same_files_as_when_every_shard_was_joined(
    tmp_path, monkeypatch, group_bytes, file_bytes
):
    monkeypatch.setattr(parquet_files, "ROW_GROUP_BYTES", group_bytes)
    monkeypatch.setattr(parquet_files, "FILE_BYTES", file_bytes)
    monkeypatch.setattr(parquet_files, "RECORDS", 1)
    shards = [records(k)[: k % 4] for k in range(60)]  # some of them empty
    sides = []
    for kind in (ParquetFiles, JoiningFiles):
        files = kind(tmp_path / kind.__name__, "train-", SCHEMA)
        for shard in shards:
            files.add(shard)
        files.close()
        sides.append(files.files)
    now, before = sides
    assert [file.name for file in now] == [file.name for file in before]
    assert [file.read_bytes() for file in now] == [file.read_bytes() for file in before]
    table = pa.concat_tables(pq.read_table(file) for file in now)
    assert table.schema.equals(SCHEMA)
    assert table["id"].to_pylist() == [each["id"] for shard in shards for each in shard]


@pytest.mark.parametrize("most", [1, 7, 1024])
def test_records_may_wait_before_they_are_a_table(tmp_path, monkeypatch, most):
    monkeypatch.setattr(parquet_files, "RECORDS", most)
    files = ParquetFiles(tmp_path, "", SCHEMA)
    for shard in range(9):
        files.add(records(shard))
    files.close()
    read = pq.read_table(files.files[0])["id"].to_pylist()
    assert read == [each["id"] for shard in range(9) for each in records(shard)]


def test_pictures_do_not_wait_for_many_records(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_files, "PICTURE_BYTES", 1000)
    made = []
    from_pylist = pa.Table.from_pylist
    table = SimpleNamespace(
        from_pylist=lambda rows, schema: made.append(len(rows)) or from_pylist(rows, schema)
    )
    monkeypatch.setattr(pa, "Table", table)
    schema = pa.schema([("image_a", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])
    files = ParquetFiles(tmp_path, "", schema)
    for _ in range(5):
        files.add([{"image_a": {"bytes": b"x" * 600, "path": None}}])
    files.close()
    assert made == [2, 2, 1]


def test_no_file_without_records(tmp_path):
    files = ParquetFiles(tmp_path, "", SCHEMA)
    files.add([])
    files.close()
    assert files.files == list(tmp_path.iterdir()) == []


def test_what_waits_is_joined_once_a_row_group(tmp_path, monkeypatch):
    joined = []
    concat = pa.concat_tables
    monkeypatch.setattr(pa, "concat_tables", lambda tables: joined.append(1) or concat(tables))
    files = ParquetFiles(tmp_path, "", SCHEMA)
    for shard in range(50):
        files.add(records(shard))
    files.close()
    assert len(joined) == 1
