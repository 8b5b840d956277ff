import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgdiff import run
from imgdiff.data.rows import Region
from imgdiff.engine.batches import Batches
from imgdiff.errors import RowError, StoppedError
from imgdiff.models import Models
from imgdiff.operator import Filter, Mapper
from imgdiff.testing import make_row, run_operator


class Faulty(Mapper):
    """Breaks at the captions it is told; remembers the sizes of its batches."""

    name = "faulty_mapper"
    reads = ("caption_a",)
    writes = ("caption_b",)
    errors: dict = {}  # noqa: RUF012 (replaced, not changed)
    room = 1000
    sizes: list = []  # noqa: RUF012

    def process(self, rows):
        self.sizes.append(len(rows))
        if len(rows) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        for row in rows:
            row["caption_b"] = "half done"
            if error := self.errors.get(row["caption_a"]):
                raise error
            row["caption_b"] = row["caption_a"] + "!"


def faulty(**facts):
    return type("OneFaulty", (Faulty,), {"sizes": []} | facts)


def rows_of(count):
    return [make_row(f"row-{k}", caption_a=str(k)) for k in range(count)]


def test_a_bad_row_is_alone_and_order_is_kept():
    operator = faulty(errors={"37": RowError("caption_bad", "this one")})
    rows = run_operator(operator, rows_of(64), batch_size=64)
    assert [row.id for row in rows] == [f"row-{k}" for k in range(64)]
    assert [row.id for row in rows if not row.ok] == ["row-37"]
    assert all(row["caption_b"] == row["caption_a"] + "!" for row in rows if row.ok)
    assert len(operator.sizes) == 13  # 1 + 2 for each halving


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (RowError("caption_bad", "this one"), "caption_bad", "this one"),
        (KeyError("x"), "operator_error", "KeyError: 'x'"),
        (ValueError("a\nb"), "operator_error", "ValueError: a"),
        (ValueError("a" * 1000), "operator_error", "ValueError: " + "a" * 300),
        (MemoryError("no memory"), "out_of_memory", "no memory"),
    ],
)
def test_the_endings_of_a_bad_row(error, reason, message):
    (row,) = run_operator(faulty(errors={"0": error}), rows_of(1))
    assert (row.status, row.reason) == ("failed", f"faulty_mapper: {reason}")
    assert row.message == message
    assert "caption_b" not in row.values


def test_rows_that_have_ended_are_passed_by():
    ended = make_row(caption_a="0")
    ended.reject("other", "code", "text")
    operator = faulty()
    assert run_operator(operator, [ended]) == [ended]
    assert operator.sizes == []


def test_a_size_that_does_not_fit_is_halved_and_remembered(caplog):
    operator = faulty(room=4)
    with caplog.at_level(logging.WARNING):
        rows = run_operator(operator, rows_of(24), batch_size=8)
    assert all(row.ok for row in rows)
    assert operator.sizes == [8, 4, 4, 4, 4, 4, 4]
    assert caplog.messages == [
        "faulty_mapper: batch of 8 did not fit in GPU memory, using 4 from now on"
    ]


def test_a_row_that_does_not_fit_alone_fails():
    rows = run_operator(faulty(room=0), rows_of(3), batch_size=3)
    assert {row.reason for row in rows} == {"faulty_mapper: out_of_memory"}


def test_a_broken_gpu_is_not_blamed_on_rows():
    error = RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(StoppedError, match="faulty_mapper: CUDA stopped working"):
        run_operator(faulty(errors={"0": error}), rows_of(3))


def test_an_interruption_passes():
    with pytest.raises(KeyboardInterrupt):
        run_operator(faulty(errors={"0": KeyboardInterrupt()}), rows_of(3))


class Undeclared(Filter):
    name = "undeclared_filter"

    def score(self, rows):
        for row in rows:
            row["caption_c"] = "x"
            row.scores["row_score"] = 1.0
            row.regions[0].scores["region_score"] = 1.0

    def decide(self, row):
        pass


def test_what_is_written_must_be_declared():
    (row,) = run_operator(Undeclared, [make_row(regions=[Region((0.0, 0.0, 1.0, 1.0), "a")])])
    assert row.reason == "undeclared_filter: operator_error"
    assert row.message == (
        "ValueError: wrote caption_c, row_score, region_score, which it does not declare"
    )


class Shortening(Mapper):
    name = "shortening_mapper"

    def process(self, rows):
        pass

    def run(self, rows):
        return list(rows)[1:]


def test_rows_must_come_back():
    rows = run_operator(Shortening, rows_of(2))
    assert {row.message for row in rows} == {
        "ValueError: gave back other rows, or in another order, than it got (1 in, 0 out)"
    }


def test_an_operator_is_tallied(light):
    widths = [10.0, 30.0, 50.0]
    regions = [Region((0.0, 0.0, width, 1.0), "a") for width in widths]
    rows = [make_row("a", regions), make_row("b", regions[:1]), make_row("c")]
    rows[2].fail("input", "input_line", "")
    cls = light["light_area_filter"]
    tally = Batches(cls(cls.Params(min_score=0.2))).run(rows)
    assert (tally.rows_in, tally.rows_ok) == (2, 1)
    assert (tally.rejected, tally.failed) == ({"no_area": 1}, {})
    assert (tally.regions_in, tally.regions_kept) == (4, 2)
    assert tally.regions_refused == {"width_out_of_range": 2}
    assert tally.scores == {"area_width": [0.1, 0.5]}


def test_a_run_ends_every_row_once(project):
    project.write_captions(
        [
            {"id": "fine", "caption": "a red ball here"},
            {"id": "short", "caption": "ball"},
            {"id": "bad", "caption": "bad"},
            '{"id": "broken',
            {"id": "empty", "caption": ""},
        ]
    )
    assert run.main(["mine.yaml", "shard_rows=2"]) == run.TOO_MANY_FAILED
    fine, short, bad, broken, empty = project.rows()
    assert fine.ok
    assert fine["caption_b"] == "a red ball here!"
    assert fine["image_a"]["bytes"] != fine["image_b"]["bytes"]
    assert [region.reason for region in fine.regions] == [
        "light_area_filter: width_out_of_range",
        "",
        "",
        "",
    ]
    assert fine.scores == pytest.approx({"caption_length": 0.15})
    assert (short.status, short.reason) == ("rejected", "light_length_filter: caption_short")
    assert short.scores == pytest.approx({"caption_length": 0.04})
    assert (bad.status, bad.reason) == ("failed", "light_edit_mapper: caption_bad")
    assert (broken.status, broken.reason) == ("failed", "input: input_line")
    assert (empty.status, empty.reason) == ("rejected", "input: caption_empty")
    report = json.loads((project.run_path / "report.json").read_text())
    assert report["rows"] == {"total": 5, "ok": 1, "rejected": 2, "failed": 2}
    assert report["reasons"]["light_length_filter: caption_short"] == 1
    assert report["samples"] == 3
    assert [each["rows_in"] for each in report["operators"]] == [3, 2, 2, 1, 1]


def test_the_log_names_rows_but_not_captions(project):
    project.write_captions([{"id": "cap-7", "caption": "secret"}])
    run.main(["mine.yaml"])
    log = (project.run_path / "run.log").read_text()
    assert "shard 0, row cap-7: light_length_filter: caption_short" in log
    assert "extra 1/1: shard 0, 0 ok, 1 rejected, 0 failed" in log
    assert "secret" not in log


@pytest.mark.parametrize(
    "change", ["shard_rows=30", "shard_rows=1", "light_image_mapper.batch_size=3"]
)
def test_rows_do_not_depend_on_how_they_are_cut(project, change):
    project.finish()
    rows = project.rows()
    run.main(["mine.yaml", change, "--restart"])
    assert project.rows() == rows


def test_a_raised_limit_gives_the_rows_of_a_whole_run(project):
    project.finish()
    rows = project.rows()
    run.main(["mine.yaml", "limit=12", "--restart"])
    assert project.rows() == rows[:12]
    run.main(["mine.yaml", "limit=20"])
    assert project.rows() == rows[:20]


class _FailingModels(Models):
    def clip(self):
        raise OSError("weights are missing")


def test_a_model_that_cannot_be_loaded_stops_the_run(project, monkeypatch, capsys):
    Path("needy.py").write_text(
        "from imgdiff.operator import Mapper, register\n"
        '@register("needy_mapper")\n'
        "class Needy(Mapper):\n"
        "    def setup(self, models):\n"
        "        models.clip()\n"
        "    def process(self, rows):\n"
        "        pass\n"
    )
    monkeypatch.setattr("imgdiff.engine.shards.Models", _FailingModels)
    project.write_recipe(operators=["needy.py"], process=["needy_mapper"])
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert (
        "stopped: extra: a model cannot be loaded: weights are missing" in capsys.readouterr().err
    )


SLOWLY = ["light_edit_mapper.seconds=0.05", "light_area_mapper.seconds=0.05"]
COMMAND = [sys.executable, "-m", "imgdiff.run", "mine.yaml", *SLOWLY]


def wait_for(path, process):
    until = time.monotonic() + 60
    while not list(path.parent.glob(path.name)):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_runs_resume_to_the_same_rows(project):
    stages = project.run_path / "stages"
    moments = ("00_extra/00000.json", "00_extra/00002.*.parquet", "01_light_areas/00001.json")
    for moment in (stages / name for name in moments):
        with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL) as process:
            wait_for(moment, process)
            process.send_signal(signal.SIGKILL)
    finished = subprocess.run(COMMAND, check=True, capture_output=True, text=True)
    assert re.search(r"resuming outputs/try: [67] of 8 shards complete, \d to do", finished.stdout)
    rows = project.rows()
    assert not list(project.run_path.rglob("*.tmp"))
    run.main([*COMMAND[3:], "--restart"])
    assert project.rows() == rows


@pytest.mark.slow
def test_one_interruption_finishes_the_shard_in_hand(project):
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(project.run_path / "stages" / "00_extra" / "00000.json", process)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == run.STOPPED
    assert "stopping after the shard in hand, 10 s at most; once more stops at once" in output
    assert errors.endswith("of 8 shards are safe. Run again to resume.\n")
    assert 1 <= project.open().done_count < 8


@pytest.mark.slow
def test_two_interruptions_stop_at_once(project):
    slow = [*COMMAND, "light_edit_mapper.seconds=1.0"]
    with subprocess.Popen(
        slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(project.run_path / "run.json", process)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert "once more stops at once" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == run.STOPPED
    assert "stopped at once. Run again to resume." in errors
    assert project.open().done_count == 0
