"""A run says complete when every row has ended; what is no row's fault stops it before that."""

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import Server

from imgdiff import run
from imgdiff.recipe.check import check


def statuses(project):
    return {row.id: row.status for row in project.rows()}


def test_a_server_that_cannot_be_reached_stops_the_run(odd, capsys, monkeypatch):
    monkeypatch.setattr("imgdiff.models.chat_client.LONGEST_WAIT", 0.01)
    server = Server()
    llm = {"base_url": server.url, "model": "toy"}
    odd.write_recipe(models={"llm": llm}, process=["asking_mapper"])
    assert run.main(["mine.yaml", "limit=4"]) == run.COMPLETE
    server.close()
    capsys.readouterr()
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert f"stopped: toy at {server.url} cannot be reached" in capsys.readouterr().err
    assert list((odd.run_path / "stages" / "00_extra").glob("*.json")) == [
        odd.run_path / "stages" / "00_extra" / "00000.json"
    ]
    again = Server(server.port)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    again.close()
    assert set(statuses(odd).values()) == {"ok"}
    assert len(again.asked) == 2  # the rows of the second shard


def test_a_missing_library_stops_the_run(odd, capsys, monkeypatch):
    """It may be missed at a single row; the others have it to come."""
    odd.write_recipe(process=[{"odd_mapper": {"act": "late_library", "batch_size": 2}}])
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert capsys.readouterr().err == (
        "stopped: odd_mapper: No module named 'late_library'. "
        "Install what is missing, then run again.\n"
    )
    assert not list(odd.run_path.rglob("*.parquet"))
    Path("late_library.py").touch()
    monkeypatch.syspath_prepend(odd.folder)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert set(statuses(odd).values()) == {"ok"}


def test_a_full_disk_is_no_rows_fault(odd, capsys):
    odd.write_recipe(process=[{"odd_mapper": {"act": "disk_full"}}])
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "stopped: no space left on outputs/try" in capsys.readouterr().err
    assert not list(odd.run_path.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("runtime", "unready_mapper cannot be set up: RuntimeError: size mismatch for weight"),
        ("key", "unready_mapper cannot be set up: KeyError: 'unet'"),
        ("exit", "unready_mapper cannot be set up: SystemExit: 0"),
        ("unreadable", "unready_mapper cannot be set up: UnreadableError: it has no text"),
        ("file", "a model cannot be loaded: weights are missing"),
    ],
)
def test_an_operator_that_cannot_be_set_up_stops_the_run(odd, capsys, error, text):
    odd.write_recipe(process=["light_edit_mapper", {"unready_mapper": {"error": error}}])
    assert run.main(["mine.yaml"]) == run.STOPPED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stopped: extra: {text}")


def test_a_library_that_is_missing_at_the_start_stops_the_run(odd, capsys):
    odd.write_recipe(process=[{"unready_mapper": {"error": "library"}}])
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert capsys.readouterr().err == (
        "stopped: unready_mapper: No module named 'sam'. Install what is missing, then run again.\n"
    )


@pytest.mark.parametrize("error", ["key", "exit"])
def test_an_input_that_cannot_be_surveyed_is_refused(odd, capsys, error):
    odd.write_recipe(process=[{"unsurveyed_mapper": {"error": error}}])
    assert run.main(["mine.yaml"]) == run.REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unsurveyed_mapper cannot survey captions.jsonl: ")


def test_an_operator_file_that_exits_is_a_problem_of_the_recipe(odd):
    Path("script.py").write_text("import sys\nsys.exit(0)\n")
    path = odd.write_recipe(operators=["script.py"], process=["light_edit_mapper"])
    with pytest.raises(run.RefusedError, match=r"operators\[0\]: script.py: SystemExit: 0"):
        check(path)


def test_a_selector_that_exits_fails_the_row(odd):
    odd.write_recipe(process=["light_edit_mapper", {"odd_selector": {"error": "exit"}}])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert [id_ for id_, status in statuses(odd).items() if status == "failed"] == ["cap-odd"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("file", "selection: a model cannot be loaded: weights are missing"),
        ("key", "odd_selector: cannot keep row cap-odd: KeyError: 'unet'"),
    ],
)
def test_a_selector_that_cannot_go_on_stops_the_run(odd, capsys, error, text):
    odd.write_recipe(process=["light_edit_mapper", {"odd_selector": {"error": error}}])
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert capsys.readouterr().err == f"stopped: {text}\n"


def stage(project, phase):
    return next((project.run_path / "stages").glob(f"{phase:02d}_*"))


@pytest.mark.parametrize("phase", [0, 1])
def test_a_copied_manifest_is_noticed(project, phase):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = project.rows()
    folder = stage(project, phase)
    shutil.copy(folder / "00000.json", folder / "00002.json")
    assert project.open().todo(phase) == [2]
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.rows() == rows


def test_a_manifest_of_other_rows_is_noticed(project):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = project.rows()
    path = stage(project, 1) / "00002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ids_sha256": "0"}))
    assert project.open().todo(1) == [2]
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.rows() == rows


def spoil(project, change):
    """Change the records of the second shard after the last phase; its manifest vouches for it."""
    manifest = stage(project, 1) / "00001.json"
    stored = json.loads(manifest.read_text())
    file = manifest.with_name(stored["file"])
    table = pq.read_table(file)
    records = table.to_pylist()
    change(records)
    pq.write_table(pa.Table.from_pylist(records, schema=table.schema), file)
    stored["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    stored["rows"] = 8
    manifest.write_text(json.dumps(stored))


def status_done(records):
    for record in records[:5]:
        record["status"] = "done"


def status_none(records):
    records[2]["status"] = None


def no_reason(records):
    records[0]["reason"] = ""


def doubled(records):
    records[3]["id"] = records[4]["id"]


def strange(records):
    records[3]["id"] = "other"


def rejected_later(records):
    records[3] |= {"status": "rejected", "reason": "some_filter: code"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (status_done, "status done: cap-8, cap-9, cap-10 and 2 more"),
        (status_none, "status None: cap-10"),
        (no_reason, "rejected without a reason: cap-8"),
        (doubled, "missing: cap-11; there more than once: cap-12"),
        (strange, "missing: cap-11; not in the input: other"),
        (lambda records: records.pop(), "missing: cap-15"),
        (rejected_later, "not what the manifest says: cap-8"),
    ],
)
def test_a_run_whose_endings_do_not_add_up_is_not_complete(project, capsys, change, found):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = project.rows()
    spoil(project, change)
    capsys.readouterr()
    assert run.main(["mine.yaml"]) == run.STOPPED
    errors = capsys.readouterr().err
    assert f"stopped: endings do not add up: {found}" in errors
    assert "Delete 00001.json in the folders of outputs/try/stages and run again." in errors
    for manifest in project.run_path.glob("stages/*/00001.json"):
        manifest.unlink()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.rows() == rows


def test_a_shard_that_was_not_stored_stops_the_run(project, capsys, monkeypatch):
    monkeypatch.setattr("imgdiff.store.run_dir.RunDir.complete", lambda *given: None)
    assert run.main(["mine.yaml"]) == run.STOPPED
    text = "stopped: 0 of 8 shards are safe. Run again to resume."
    assert text in capsys.readouterr().err
