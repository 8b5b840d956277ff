"""A phase in a process of its own: a row that takes too long, or that kills, costs itself alone."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from small_project import LIGHT_OPERATORS

from imgdiff import run
from imgdiff.engine import child

COMMAND = [sys.executable, "-m", "imgdiff.run", "mine.yaml"]


@pytest.fixture
def slow(project):
    """Eight rows in two shards; a row may take two seconds."""

    def put(captions, **settings):
        project.write_captions([{"id": f"cap-{k}", "caption": c} for k, c in enumerate(captions)])
        project.settings |= {
            "operators": [str(LIGHT_OPERATORS.with_name("slow_operators.py"))],
            "process": [{"slow_mapper": {"batch_size": 2}}, "slow_late_mapper"],
            "limits": {"max_failed_fraction": 0.5, "max_row_seconds": 2.0},
            "shard_rows": 4,
        } | settings
        project.write_recipe()
        return project

    return put


def endings(project):
    return {row.id: (row.status, row.reason) for row in project.rows() if not row.ok}


def test_a_row_that_takes_too_long_fails_alone(slow, capsys):
    project = slow(["a", "b", "c", "matches", "e", "f", "late sleeps", "h"])
    began = time.monotonic()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert time.monotonic() - began < 300
    assert endings(project) == {
        "cap-3": ("failed", "slow_mapper: too_slow"),
        "cap-6": ("failed", "slow_late_mapper: too_slow"),
    }
    (message,) = {row.message for row in project.rows() if not row.ok}
    assert message == "took longer than limits.max_row_seconds, 2"
    said = capsys.readouterr().out
    assert "extra, shard 0: slow_mapper takes too long for 2 rows" in said
    assert "extra, shard 0: slow_mapper takes too long for row cap-3" in said
    assert not list(project.run_path.rglob("*.recovery"))
    rows = project.rows()
    mended = ["a", "b", "c", "d", "e", "f", "g", "h"]
    kept = [row for row in rows if row.ok]
    slow(mended, limits={}, export_path="outputs/usual")
    project.run_path = Path("outputs/usual")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    usual = {row.id: row for row in project.rows()}
    assert all(usual[row.id] == row for row in kept)  # as they are without another process


def test_a_longer_time_and_a_retry_let_it_through(slow):
    project = slow(["a", "naps", "c"], process=["slow_mapper"], limits={"max_row_seconds": 0.5})
    assert run.main(["mine.yaml"]) == run.TOO_MANY_FAILED
    assert endings(project) == {"cap-1": ("failed", "slow_mapper: too_slow")}
    assert run.main(["mine.yaml", "limits.max_row_seconds=60", "--retry-failed=too_slow"]) == 0
    assert endings(project) == {}


def test_a_deadly_row_kills_only_its_process(slow, capsys):
    project = slow(["a", "dies", "c", "d", "e"], limits={"max_row_seconds": 60})
    assert run.main(["mine.yaml", "limits.max_failed_fraction=0.5"]) == run.COMPLETE
    assert endings(project) == {"cap-1": ("failed", "slow_mapper: worker_died")}
    assert "extra, shard 0: its worker died; attempt 2" in capsys.readouterr().out


def test_an_error_of_the_child_is_told_by_the_run(odd, capsys):
    odd.write_recipe(
        process=[{"odd_mapper": {"act": "no_server"}}], limits={"max_row_seconds": 60.0}
    )
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert capsys.readouterr().err == "stopped: mine at http://nowhere cannot be reached\n"


def test_a_full_disk_in_the_child_stops_the_run(odd, capsys):
    odd.write_recipe(
        process=[{"odd_mapper": {"act": "disk_full"}}], limits={"max_row_seconds": 60.0}
    )
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "stopped: no space left on outputs/try" in capsys.readouterr().err


def test_a_process_that_does_not_end_is_left_behind_and_named(slow, monkeypatch, capsys):
    project = slow(["a", "sleeps"], process=["slow_mapper"])
    monkeypatch.setattr(child, "ENDS_IN", 0.1)
    left = []
    monkeypatch.setattr(subprocess.Popen, "kill", lambda process: left.append(process))
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert endings(project) == {"cap-1": ("failed", "slow_mapper: too_slow")}
    text = f"process {left[0].pid} cannot be ended: it is stuck in the kernel, and left behind"
    assert text in capsys.readouterr().out
    for process in left:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_kills_from_outside_blame_no_row(slow):
    """Whoever kills the driver kills what is in hand, whatever that is; its worker goes with it."""
    project = slow(["a", "waits", "c", "d"], process=["slow_mapper"], limits={})
    record = project.run_path / "stages" / "00_extra" / "00000.recovery"
    waiting = Path("waiting")
    for _ in range(4):
        with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL) as driver:
            wait_until(waiting.exists)
            driver.send_signal(signal.SIGKILL)
        wait_until(lambda: not workers_of(project))
        waiting.unlink()
    left = json.loads(record.read_text())
    assert left["in_hand"] == {"row": "cap-1", "operator": "slow_mapper"}
    assert (left["blamed"], left["alone"]) == ({}, {"cap-1": 0})
    Path("go_on").touch()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert endings(project) == {}


def wait_until(holds):
    until = time.monotonic() + 200
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def workers_of(project):
    """Processes of workers that run in the project's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            here = os.readlink(entry / "cwd") == str(project.folder)
            found += [entry] if here and b"imgdiff.engine.child_process" in command else []
    return found
