"""Files of shards are believed by size and time as a run goes on, and hashed as they are read."""

import os
from pathlib import Path

import pytest

from imgdiff import run
from imgdiff.store.folder_store import FolderStore
from imgdiff.store.shard_files import ShardFiles


def shard_file(project, phase, shard):
    (path,) = (project.run_path / "stages" / phase).glob(f"{shard:05d}.*.parquet")
    return path


def flip(path: Path, keep_time: bool):
    """Change one byte in the middle."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        later = before.st_mtime_ns + 10**10
        os.utime(path, ns=(later, later))


def contents(project):
    return [(row.id, row.status, row.reason, row.values) for row in project.rows()]


@pytest.fixture
def hashed(monkeypatch):
    """The phases whose files were hashed to see whether they count."""
    seen = []
    is_whole = ShardFiles._is_whole
    monkeypatch.setattr(
        ShardFiles,
        "_is_whole",
        lambda self, *given: seen.append(given[0]) or is_whole(self, *given),
    )
    return seen


def test_untouched_files_are_not_hashed_as_a_run_goes_on(project, hashed):
    run.main(["mine.yaml"])
    hashed.clear()
    run.main(["mine.yaml", "--dry-run"])
    assert hashed == []
    run.main(["mine.yaml", "--verify", "--dry-run"])
    assert len(hashed) == len(list(project.run_path.glob("stages/*/*.json")))


def test_a_changed_file_is_found_by_its_time(project):
    project.finish()
    before = contents(project)
    path = shard_file(project, "00_extra", 1)
    flip(path, keep_time=False)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert not path.exists()
    assert contents(project) == before


def test_a_flip_with_its_old_time_is_found_as_it_is_read(project):
    run.main(["mine.yaml"])
    before = contents(project)
    path = shard_file(project, "00_extra", 1)
    flip(path, keep_time=True)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert not path.exists()
    assert contents(project) == before
    assert "damaged" in (project.run_path / "run.log").read_text()


def test_a_disk_that_damages_everything_stops_the_run(project, monkeypatch, capsys):
    put = FolderStore.put

    def damaging(self, name, content):
        return put(self, name, content[:-9] + b"x" + content[-8:])

    monkeypatch.setattr(FolderStore, "put", damaging)
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "is damaged" in capsys.readouterr().err


def test_finish_reads_every_shard_once(project, monkeypatch):
    project.write_recipe(export={"formats": ["parquet"]})
    project.finish("limit=24")
    reads = []
    read = ShardFiles.read

    def counted(self, shard, phases, leave_out=()):
        reads.append((shard, bool(leave_out)))
        return read(self, shard, phases, leave_out)

    monkeypatch.setattr(ShardFiles, "read", counted)
    monkeypatch.setattr("imgdiff.report.page.gallery", lambda *_: [])
    assert run.main(["mine.yaml", "limit=24"]) == run.COMPLETE
    whole = [shard for shard, light in reads if not light]
    assert whole == sorted(set(whole)) == [0, 1, 2]
