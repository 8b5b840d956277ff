"""Parquet files hold what was added, in order, whatever waited in memory and for how long."""

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
