"""Rows that failed are run again when a person asks for it, and these alone."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_project import LIGHT_OPERATORS

from imgdiff import cli, run
from imgdiff.data.images import encode_png

BROKEN, CALLS = Path("broken"), Path("calls.txt")
CAPTIONS = ["a", "first breaks", "second refuses", "d", "between breaks", "f", "g", "last breaks"]
OPERATORS = ["first_mapper", "between_mapper", "second_mapper"]


@pytest.fixture
def failed(project):
    """A run of three phases in which four rows of eight failed, batches of one."""
    project.write_captions([{"id": f"cap-{k}", "caption": c} for k, c in enumerate(CAPTIONS)])
    project.settings |= {
        "operators": [str(LIGHT_OPERATORS.with_name("mending_operators.py"))],
        "limits": {"max_failed_fraction": 0.9},
        "process": [*({name: {"batch_size": 1}} for name in OPERATORS), "last_selector"],
        "shard_rows": 3,
    }
    project.write_recipe()
    BROKEN.touch()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    CALLS.unlink()
    return project


def endings(project):
    return {row.id: row.reason for row in project.rows() if not row.ok}


def calls():
    noted = CALLS.read_text().splitlines() if CALLS.exists() else []
    CALLS.unlink(missing_ok=True)
    return noted


FAILED = {
    "cap-1": "first_mapper: operator_error",
    "cap-2": "second_mapper: unusable",
    "cap-4": "between_mapper: operator_error",
    "cap-7": "last_selector: operator_error",
}


def test_failed_rows_are_run_again_from_where_they_failed(failed):
    assert endings(failed) == FAILED
    BROKEN.unlink()
    assert run.main(["mine.yaml"]) == run.COMPLETE  # a failed row is an ending
    assert endings(failed) == FAILED
    assert calls() == []
    assert run.main(["mine.yaml", "--retry-failed"]) == run.COMPLETE
    assert endings(failed) == {}
    noted = calls()
    assert [call for call in noted if not call.startswith("last")] == [
        *("first cap-1", "between cap-1", "between cap-4"),
        *("second cap-1", "second cap-2", "second cap-4"),
    ]
    rows = failed.rows()
    assert run.main(["mine.yaml", "--restart"]) == run.COMPLETE
    assert failed.rows() == rows


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        ("operator_error", {"cap-2"}),
        ("unusable", {"cap-1", "cap-4"}),
        ("first_mapper: operator_error", {"cap-2", "cap-4"}),
    ],
)
def test_by_reason(failed, reason, left):
    """A selector decides anew about every row that comes after one that was run again."""
    BROKEN.unlink()
    assert run.main(["mine.yaml", f"--retry-failed={reason}"]) == run.COMPLETE
    assert endings(failed).keys() == left


def test_what_fails_again_ends_as_before(failed):
    before = failed.rows()
    report = json.loads((failed.run_path / "report.json").read_text())
    assert run.main(["--retry-failed", "mine.yaml"]) == run.COMPLETE
    assert failed.rows() == before
    assert "first cap-1" in calls()
    again = json.loads((failed.run_path / "report.json").read_text())
    assert again["rows"] == report["rows"]
    assert again["reasons"] == report["reasons"]
    for then, now in zip(report["operators"], again["operators"], strict=True):
        assert then | {"seconds": 0} == now | {"seconds": 0}


def test_rows_that_could_not_be_read_are_read_again(project):
    picture = encode_png(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))["bytes"]
    Path("a.png").write_bytes(picture)
    names = ["a.png", "late.png", "a.png"]
    rows = [{"id": name, "image": name, "caption": "a ball"} for name in names]
    project.write_captions([row | {"id": f"row-{k}"} for k, row in enumerate(rows)])
    project.write_recipe(
        limits={"max_failed_fraction": 0.5},
        operators=[str(LIGHT_OPERATORS.with_name("mending_operators.py"))],
        process=["seeing_mapper"],
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert endings(project) == {"row-1": "input: image_missing"}
    Path("late.png").write_bytes(picture)
    assert run.main(["mine.yaml", "--retry-failed=image_missing"]) == run.COMPLETE
    assert endings(project) == {}


def test_the_screen_and_the_page_say_that_failed_rows_can_be_run_again(failed, capsys):
    assert run.main(["mine.yaml"]) == run.COMPLETE
    said = capsys.readouterr().out
    assert "4 failed: the same command with --retry-failed runs these again" in said
    page = (failed.run_path / "report.html").read_text()
    assert "--retry-failed" in page
    BROKEN.unlink()
    assert run.main(["mine.yaml", "--retry-failed"]) == run.COMPLETE
    said = capsys.readouterr().out
    assert "failed rows to run again: 1 between_mapper: operator_error, 1 first_mapper: " in said
    assert "runs these again" not in said
    assert "--retry-failed" not in (failed.run_path / "report.html").read_text()


def test_a_reason_that_no_row_has_is_named(failed, capsys):
    assert run.main(["mine.yaml", "--retry-failed=worker_died"]) == run.COMPLETE
    said = capsys.readouterr().out
    assert "no row failed as worker_died; rows failed as between_mapper: operator_error, " in said
    assert calls() == []


def test_a_dry_run_says_what_would_be_run_again(failed, capsys):
    assert run.main(["mine.yaml", "--retry-failed", "--dry-run"]) == run.COMPLETE
    table = capsys.readouterr().out
    assert re.search(r"extra +1 +2 +0 +0 +2\n", table)
    assert calls() == []


def test_with_restart_it_is_refused(failed, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(["run", "mine.yaml", "--retry-failed", "--restart"])
    assert error.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
