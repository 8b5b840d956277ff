"""Moved thresholds: stored scores are decided again, and the run ends as one begun with them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imgdiff import run
from imgdiff.store.shard_files import ShardFiles


def calls(project):
    """What operators ran on since the last call."""
    path = project.folder / "calls.txt"
    noted = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return noted


def outcome(path):
    """Everything a person gets: tables, and the report without its seconds."""
    tables = {
        str(file.relative_to(path)): pq.read_table(file).to_pylist()
        for folder in ("data", "dropped")
        for file in sorted((path / folder).rglob("*.parquet"))
    }
    report = json.loads((path / "report.json").read_text())
    del report["shards_sha256"]
    for each in [report, *report["operators"], *report["phases"]]:
        del each["seconds"]
    return tables, report


def fresh(*changes):
    assert run.main(["mine.yaml", *changes, "export_path=outputs/fresh", "--restart"]) == 0
    return outcome(Path("outputs/fresh"))


MOVES = [
    ["light_length_filter.min_score=0.0"],
    ["light_length_filter.min_score=0.2"],
    ["light_length_filter.max_score=0.2"],
    ["light_length_filter.min_score=0.2", "light_length_filter.max_score=0.28"],
    ["dial_width_filter.min_width=0.0"],
    ["dial_width_filter.min_width=0.45"],
    ["dial_width_filter.min_width=0.99"],
    ["dial_width_filter.most=1"],
    ["dial_width_filter.most=9"],
    ["dial_name_filter.min_width=0.0"],
    ["dial_name_filter.min_width=0.6"],
    ["light_length_filter.min_score=0.0", "dial_name_filter.min_width=0.0"],
    ["light_length_filter.max_score=0.2", "dial_width_filter.min_width=0.1"],
    ["limit=9"],
    ["limit=9", "dial_width_filter.min_width=0.45"],
]


@pytest.mark.parametrize("changes", MOVES, ids=" ".join)
def test_a_moved_threshold_ends_as_a_fresh_run(dial, changes):
    assert run.main(["mine.yaml", *changes]) == run.COMPLETE
    assert outcome(dial.run_path) == fresh(*changes)


@pytest.mark.parametrize("change", [0.1, 0.25, 1.0])
def test_pictures_that_were_not_stored_are_made_again(dial, change):
    steps = dial.settings["process"][:2]
    operators = dial.settings["operators"] + [str(Path(__file__).with_name("dial_operators.py"))]
    screen = {"dial_screen_filter": {"max_score": 0.25}}
    dial.write_recipe(
        operators=operators,
        shard_rows=6,
        process=[*steps, screen],
        limits={"max_failed_fraction": 1.0},
    )
    assert run.main(["mine.yaml", "--restart"]) == run.COMPLETE
    move = f"dial_screen_filter.max_score={change}"
    assert run.main(["mine.yaml", move]) == run.COMPLETE
    assert outcome(dial.run_path) == fresh(move)


def test_moved_again_and_back(dial):
    before = outcome(dial.run_path)
    for changes in (*MOVES[::3], []):
        assert run.main(["mine.yaml", *changes]) == run.COMPLETE
    assert outcome(dial.run_path) == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("light_length_filter.max_score=0.25", []),
        ("light_length_filter.min_score=0.0", ["find cap-1", "find cap-7", "find cap-11"]),
        ("dial_name_filter.min_width=0.6", []),
        ("dial_name_filter.min_width=0.0", []),
        ("limit=15", []),
    ],
)
def test_only_rows_whose_fate_changed_are_run(dial, change, expected):
    calls(dial)
    assert run.main(["mine.yaml", change]) == run.COMPLETE
    noted = calls(dial)
    assert [call for call in noted if call.startswith("find")][: len(expected)] == expected
    assert bool(noted) == bool(expected)
    assert not set(noted) & {"find cap-0", "width cap-0", "name cap-0", "length cap-0"}


def test_a_score_that_was_not_asked_for_is_made(dial):
    calls(dial)
    assert run.main(["mine.yaml", "dial_width_filter.min_shape=0.3"]) == run.COMPLETE
    noted = calls(dial)
    assert "width cap-0" in noted
    assert not [call for call in noted if call.startswith("find")]
    assert "width cap-2" not in noted  # it had ended before anything was compared
    endings = [(row.id, row.reason, [r.reason for r in row.regions]) for row in dial.rows()]
    fresh("dial_width_filter.min_shape=0.3")
    dial.run_path = Path("outputs/fresh")
    assert endings == [(row.id, row.reason, [r.reason for r in row.regions]) for row in dial.rows()]


def test_a_changed_operator_leaves_the_phases_before_it(dial):
    calls(dial)
    assert run.main(["mine.yaml", "dial_name_filter.skip=x"]) == run.COMPLETE
    noted = calls(dial)
    assert "name cap-0" in noted
    assert not [call for call in noted if call.startswith(("find", "width"))]
    assert outcome(dial.run_path) == fresh("dial_name_filter.skip=x")


def test_what_was_spent_is_added(dial):
    first = json.loads((dial.run_path / "report.json").read_text())
    assert run.main(["mine.yaml", "light_length_filter.max_score=0.25"]) == run.COMPLETE
    second = json.loads((dial.run_path / "report.json").read_text())
    assert second["seconds"] > first["seconds"]
    assert second["operators"][0]["seconds"] == first["operators"][0]["seconds"] > 0


def test_the_start_says_what_changed(dial, capsys):
    assert run.main(["mine.yaml", "dial_width_filter.most=1"]) == run.COMPLETE
    assert (
        "changed since the last start: process.dial_width_filter.most: 3 -> 1\n"
        "resuming outputs/try: 4 of 12 shards complete, 8 to do, 8 of them from stored scores\n"
    ) in capsys.readouterr().out


def table_of(text):
    """The forecast's numbers by phase."""
    lines = text[text.index("rows run") :].splitlines()[1:]
    return {words[0]: [int(n) for n in words[1:]] for words in map(str.split, lines)}


FORECASTS = {  # shards reused, decided again, begun; rows that end otherwise, rows run
    "light_length_filter.min_score=0.0": ([0, 4, 0, 4, 0], [0, 4, 0, 0, 4], [0, 4, 0, 0, 4]),
    "light_length_filter.max_score=0.25": ([0, 4, 0, 6, 0], [0, 4, 0, 6, 0], [0, 4, 0, 4, 0]),
    "dial_name_filter.min_width=0.9": ([4, 0, 0, 0, 0], [4, 0, 0, 0, 0], [0, 4, 0, 4, 0]),
    "dial_name_filter.skip=x": ([4, 0, 0, 0, 0], [4, 0, 0, 0, 0], [0, 0, 4, 0, 8]),
    "seed=1": ([0, 0, 4, 0, 20], [0, 0, 4, 0, 20], [0, 0, 4, 0, 20]),
}


@pytest.mark.parametrize(("change", "expected"), FORECASTS.items())
def test_a_dry_run_tells_what_will_be_run(dial, change, expected, capsys):
    before = {path: path.stat().st_mtime_ns for path in dial.run_path.rglob("*")}
    capsys.readouterr()
    assert run.main(["mine.yaml", change, "--dry-run"]) == run.COMPLETE
    output = capsys.readouterr().out
    assert (
        f"changed: {'' if change.startswith('seed') else 'process.'}{change.split('=')[0]}"
        in output
    )
    assert tuple(table_of(output).values()) == expected
    assert {path: path.stat().st_mtime_ns for path in dial.run_path.rglob("*")} == before


DIE = """
import os, sys
from imgdiff import run
from imgdiff.store.folder_store import FolderStore
written = []
def dying(write):
    def die(self, name, content, **given):
        stored = write(self, name, content, **given)
        written.extend([name] if name.startswith("stages/") and given == {{}} else [])
        if len(written) == {number}:
            os.kill(os.getpid(), 9)
        return stored
    return die
FolderStore.put, FolderStore.replace = dying(FolderStore.put), dying(FolderStore.replace)
run.main(["mine.yaml", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 7, 10])
def test_a_run_killed_while_it_decides_again(dial, number):
    changes = ["light_length_filter.min_score=0.0", "dial_width_filter.most=1"]
    command = [sys.executable, "-c", DIE.format(number=number)]
    assert subprocess.run([*command, *changes]).returncode == -signal.SIGKILL
    assert run.main(["mine.yaml", *changes]) == run.COMPLETE
    assert outcome(dial.run_path) == fresh(*changes)


@pytest.mark.slow
def test_killed_and_then_moved_elsewhere(dial):
    command = [sys.executable, "-c", DIE.format(number=5)]
    done = subprocess.run([*command, "light_length_filter.min_score=0.0"])
    assert done.returncode == -signal.SIGKILL
    assert run.main(["mine.yaml", "light_length_filter.max_score=0.2"]) == run.COMPLETE
    assert outcome(dial.run_path) == fresh("light_length_filter.max_score=0.2")


def test_a_worker_that_died_goes_on_row_by_row(dial, monkeypatch):
    """Careful from the first shard on: the same rows, and the blamed one fails."""
    monkeypatch.setattr(ShardFiles, "remove_recovery_records", lambda self: None)
    left = {"attempt": 1, "careful": True, "blamed": {"cap-1": "dial_find_mapper"}}
    for manifest in dial.run_path.glob("stages/*/*.json"):
        manifest.with_suffix(".recovery").write_text(json.dumps(left))
    change = "light_length_filter.min_score=0.0"
    assert run.main(["mine.yaml", change]) == run.COMPLETE
    rows = {row.id: row for row in dial.rows()}
    assert rows["cap-1"].reason == "dial_find_mapper: worker_died"
    assert rows["cap-7"].reason == "dial_find_mapper: one_word"
    report = json.loads((dial.run_path / "report.json").read_text())
    find = next(each for each in report["operators"] if each["name"] == "dial_find_mapper")
    assert (find["rows_in"], find["failed"]) == (16, {"worker_died": 1})
