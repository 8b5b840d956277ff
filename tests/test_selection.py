"""What is decided across the run: the first rows are kept, in the order of the input, for good."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest
from test_local_engine import wait_for

from imgdiff import run
from imgdiff.engine.selection import Selection
from imgdiff.operator import Selector
from imgdiff.recipe.check import check
from imgdiff.testing import make_row

REPEATS = {"light_repeat_selector": {"most": 3}}


class Bounded(Selector):
    """Keeps `room` rows, none with a caption that is `refused`; remembers what it was told."""

    name = "bounded_selector"
    room, refused = 10, ""

    def setup(self, models):
        self.asked, self.kept = [], []

    def decide(self, row):
        self.asked.append(row.id)
        if row["caption_a"] == "bad":
            raise ValueError("cannot tell")
        if len(self.kept) >= self.room or row["caption_a"] == self.refused:
            row.reject(self.name, "no_room", "enough rows were kept")

    def keep(self, row):
        self.kept.append(row.id)


def selection(*facts):
    selectors = [type("Some", (Bounded,), each)(Bounded.Params()) for each in facts]
    return selectors, Selection(selectors)


def rows_of(*captions):
    return [make_row(f"row-{k}", caption_a=caption) for k, caption in enumerate(captions)]


def test_a_row_is_kept_when_all_selectors_let_it_pass():
    (first, second), selecting = selection(
        {"name": "first_selector", "room": 2}, {"name": "second_selector", "refused": "b"}
    )
    rows = rows_of("a", "b", "c", "d")
    tallies = selecting.run(rows)
    assert [row.reason for row in rows] == [
        "",
        "second_selector: no_room",
        "",  # what the second refused took no room in the first
        "first_selector: no_room",
    ]
    assert first.kept == second.kept == ["row-0", "row-2"]
    assert second.asked == ["row-0", "row-1", "row-2"]
    assert [(tally.rows_in, tally.rows_ok) for tally in tallies] == [(4, 3), (3, 2)]
    assert tallies[0].rejected == tallies[1].rejected == {"no_room": 1}


def test_a_bad_row_costs_one_row():
    (selector,), selecting = selection({})
    rows = rows_of("a", "bad", "c")
    selecting.run(rows)
    assert rows[1].reason == "bounded_selector: operator_error"
    assert rows[1].message == "ValueError: cannot tell"
    assert selector.kept == ["row-0", "row-2"]


def test_rows_that_have_ended_are_passed_by():
    (selector,), selecting = selection({})
    rows = rows_of("a", "b")
    rows[0].reject("other", "code", "text")
    selecting.run(rows)
    assert selector.asked == selector.kept == ["row-1"]


@pytest.fixture
def selecting(project):
    """The small project, with a selector behind its operators."""
    project.settings["process"] = [*project.settings["process"], REPEATS]
    project.write_recipe()
    return project


def kept(project):
    return [row.id for row in project.rows() if row.ok]


def test_the_first_rows_are_kept(selecting):
    selecting.finish()
    assert kept(selecting) == [f"cap-{k}" for k in (1, 2, 3, 5, 6, 7, 9, 10, 11)]
    row = selecting.rows()[13]
    assert (row.status, row.reason) == ("rejected", "light_repeat_selector: caption_again")
    assert row.scores["caption_repeats"] == 3
    assert row["image_a"]["bytes"]
    assert row.regions
    report = json.loads((selecting.run_path / "report.json").read_text())
    assert report["rows"] == {"total": 30, "ok": 9, "rejected": 21, "failed": 0}
    assert report["reasons"]["light_repeat_selector: caption_again"] == 13
    assert report["operators"][-1]["name"] == "light_repeat_selector"
    assert report["operators"][-1]["rows_in"] == 22
    assert report["samples"] == sum(len(r.kept_regions) for r in selecting.rows() if r.ok)


def test_pictures_are_not_read_again(selecting, monkeypatch):
    read = []
    monkeypatch.setattr(Selection, "run", lambda self, rows, signs: read.extend(rows) or [])
    run.main(["mine.yaml"])
    assert len(read) == 30
    assert not any({"image_a", "image_b"} & row.values.keys() for row in read)


@pytest.mark.parametrize("change", ["shard_rows=30", "shard_rows=1"])
def test_endings_do_not_depend_on_how_rows_are_cut(selecting, change):
    selecting.finish()
    rows = selecting.rows()
    run.main(["mine.yaml", change, "--restart"])
    assert selecting.rows() == rows


@pytest.mark.parametrize("limit", [5, 8, 12])
def test_a_raised_limit_changes_no_ending(selecting, limit):
    selecting.finish()
    rows = selecting.rows()
    run.main(["mine.yaml", f"limit={limit}", "--restart"])
    assert selecting.rows() == rows[:limit]
    run.main(["mine.yaml"])
    assert selecting.rows() == rows


def test_what_came_first_is_decided_first_again(selecting):
    """A spoilt file of an early shard: what was decided after it does not count any more."""
    selecting.finish()
    rows = selecting.rows()
    (spoilt,) = (selecting.run_path / "stages/01_light_areas").glob("00001.*.parquet")
    spoilt.write_bytes(b"spoilt")
    assert selecting.open().todo(2) == [1, 2, 3]
    run.main(["mine.yaml"])
    assert selecting.rows() == rows


def test_a_decision_stands_on_all_files_before(selecting):
    """A killed run may leave an early shard that was decided anew, and later ones from before."""
    selecting.finish()
    with_other_rows = selecting.open()
    rows = with_other_rows.rows(1, phases=2)
    rows[1].reject("other", "code", "text")
    with_other_rows.write_shard(1, 1, rows, [], 1.0)
    with_other_rows.write_shard(2, 1, rows, [], 1.0)
    assert selecting.open().todo(2) == [2, 3]


def test_nothing_comes_after_a_selector(project):
    process = project.settings["process"]
    path = project.write_recipe(process=[process[0], REPEATS, *process[1:]])
    text = "process\\[2\\].light_image_mapper: comes after light_repeat_selector, which decides"
    with pytest.raises(run.RefusedError, match=text):
        check(path)


def test_something_comes_before_a_selector(project):
    path = project.write_recipe(process=[REPEATS])
    text = "light_repeat_selector: selects from what other operators let pass; none is before it"
    with pytest.raises(run.RefusedError, match=text):
        check(path)


def test_a_selection_has_no_workers(selecting):
    path = selecting.write_recipe(phases={"selection": {}})
    text = "phases.selection: no such phase; the recipe has extra, light_areas"
    with pytest.raises(run.RefusedError, match=text):
        check(path)


@pytest.mark.slow
def test_a_killed_selection_resumes_to_the_same_rows(selecting):
    slowly = [*("-m", "imgdiff.run", "mine.yaml"), "light_repeat_selector.seconds=0.05"]
    for moment in ("00000.json", "00001.*.parquet"):
        with subprocess.Popen([sys.executable, *slowly], stdout=subprocess.DEVNULL) as process:
            wait_for(selecting.run_path / "stages/02_selection" / moment, process)
            process.send_signal(signal.SIGKILL)
    assert run.main(slowly[2:]) == run.COMPLETE
    rows = selecting.rows()
    assert Counter(row.status for row in rows) == {"ok": 9, "rejected": 21}
    run.main([*slowly[2:], "--restart"])
    assert selecting.rows() == rows
