"""What a run needs of the place in which it stores things, and that it needs nothing else."""

import errno
import os
import pickle
from pathlib import Path

import pytest
from memory_store import MemoryStore

from imgdiff import run
from imgdiff.store import run_dir
from imgdiff.store.folder_store import FolderStore
from imgdiff.store.interface import content_of, json_of

NAME = "stages/00_extra/00003.json"


@pytest.fixture(params=[FolderStore, MemoryStore])
def store(request, tmp_path):
    return request.param(*([tmp_path] if request.param is FolderStore else []))


def test_what_is_put_first_stays(store):
    assert store.put(NAME, b"first")
    assert not store.put(NAME, b"second")
    assert content_of(store, NAME) == b"first"


def test_what_is_replaced_is_gone(store):
    store.replace(NAME, b"first")
    store.replace(NAME, b"second", durable=False)
    assert content_of(store, NAME) == b"second"


def test_what_is_not_there(store):
    store.put(NAME, b"{}")
    for name in ("stages/00_extra", "none", f"{NAME}/x"):
        assert content_of(store, name) is None
        with pytest.raises(FileNotFoundError):
            store.get(name)
        assert store.list(f"{name}/none") == []
    store.delete("stages/none")
    assert store.list("") == [NAME]


def test_contents_are_read_from_any_place(store):
    store.put(NAME, b"0123456789")
    with store.get(NAME) as content:
        content.seek(-3, os.SEEK_END)
        assert content.read(2) == b"78"


def test_names_are_listed_by_how_they_begin(store):
    for name in ("stages/01_b/1.json", "stages/00_a/2.json", "stages/00_a/1.json", "run.json"):
        store.put(name, b"")
    assert store.list("stages/00_a/") == ["stages/00_a/1.json", "stages/00_a/2.json"]
    assert store.list("stages/0") == [*store.list("stages/00_a/"), "stages/01_b/1.json"]
    assert store.list("") == ["run.json", *store.list("stages/")]


def test_json_that_is_none(store):
    for content in (b"", b"{", b"[]", b"\xff"):
        store.replace(NAME, content)
        assert json_of(store, NAME) is None
    store.replace(NAME, b'{"a": 1}')
    assert json_of(store, NAME) == {"a": 1}


def test_a_folder_goes_with_what_lay_in_it(tmp_path):
    store = FolderStore(tmp_path)
    store.put("stages/00_a/1.json", b"")
    store.put("stages/01_b/1.json", b"")
    store.delete("stages/00_a/1.json")
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["01_b"]
    store.delete("stages/01_b/1.json")
    assert tmp_path.exists()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_the_same_for_a_process_that_begins_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FolderStore(Path("outputs/try"))
    store.put(NAME, b"here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sent = pickle.loads(pickle.dumps(store))
    assert content_of(sent, NAME) == b"here"
    assert str(sent) == "outputs/try"


def refuse(number):
    def call(*given):
        raise OSError(number, os.strerror(number))

    return call


def test_a_disk_without_hard_links_will_do(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    assert store.put(NAME, b"first")
    assert not store.put(NAME, b"second")
    assert content_of(store, NAME) == b"first"


def test_of_two_that_put_at_once_one_is_told_so(tmp_path, monkeypatch):
    store, link = FolderStore(tmp_path), os.link

    def late(source, target):
        store.replace(NAME, b"of another")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert not store.put(NAME, b"mine")
    assert content_of(store, NAME) == b"of another"
    assert [path.name for path in tmp_path.rglob("*.*")] == ["00003.json"]


def test_a_half_written_content_has_no_name(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)
    (tmp_path / "run.json.0a1b2c3d.tmp").write_bytes(b"{")
    assert store.list("") == []
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    for write in (store.put, store.replace):
        with pytest.raises(OSError, match="No space left"):
            write(NAME, b"half")
    assert store.list("") == []
    assert [path.name for path in tmp_path.rglob("*.tmp")] == ["run.json.0a1b2c3d.tmp"]


@pytest.fixture
def memory(monkeypatch):
    """Everything that a run stores is kept here, whichever folder is its own."""
    store = MemoryStore()
    monkeypatch.setattr(run_dir, "store_at", lambda path: store)
    return store


def kinds(store):
    return {name.rpartition("/")[0] for name in store.list("")}


STEPS = ["light_image_mapper", {"light_repeat_selector": {"most": 3}}]


@pytest.fixture
def selecting(project):
    project.write_recipe(process=[project.settings["process"][0], *STEPS])
    return project


def test_a_run_needs_nothing_but_a_store(selecting, memory, monkeypatch, capsys):
    """Begun, stopped by a full disk, finished; decided again; read again; begun anew."""
    assert run.main(["mine.yaml", "limit=12"]) == run.COMPLETE
    put = memory.put
    monkeypatch.setattr(memory, "put", lambda *given: put(*given) and refuse(errno.ENOSPC)())
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "stopped: no space left on outputs/try" in capsys.readouterr().err
    monkeypatch.setattr(memory, "put", put)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert kinds(memory) == {"", "stages/00_extra", "stages/01_selection"}
    assert [name for name in memory.list("") if "/" not in name] == ["report.json", "run.json"]
    left = {path.name for path in selecting.run_path.iterdir()}
    assert left == {"data", "dropped", "report", "report.html", "run.lock", "run.log"}
    rows = selecting.rows()
    monkeypatch.undo()
    monkeypatch.chdir(selecting.folder)
    assert run.main(["mine.yaml", "export_path=outputs/folder"]) == run.COMPLETE
    selecting.run_path = selecting.run_path.with_name("folder")
    assert selecting.rows() == rows


def test_a_run_is_begun_anew_in_its_store(selecting, memory):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    first = memory.list("stages/")
    assert run.main(["mine.yaml", "--restart"]) == run.COMPLETE
    assert not {name for name in first if name.endswith(".parquet")} & set(memory.list("stages/"))
