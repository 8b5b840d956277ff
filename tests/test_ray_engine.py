"""The Ray engine on a small Ray of this machine: the same rows, whatever dies."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from imgdiff import run

pytestmark = pytest.mark.ray
RAY = "executor_type=ray"
COMMAND = [sys.executable, "-m", "imgdiff.run", "mine.yaml", RAY]


@pytest.fixture(scope="module", autouse=True)
def _ray():
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


def records(count, deadly=()):
    return [
        {"id": f"cap-{k}", "caption": "deadly" if k in deadly else "a red ball " * (k % 4 + 1)}
        for k in range(count)
    ]


def local_rows(project):
    """What the local engine makes of it."""
    assert run.main(["mine.yaml", "export_path=outputs/local"]) == run.COMPLETE
    there, project.run_path = project.run_path, project.run_path.with_name("local")
    rows = project.rows()
    project.run_path = there
    return rows


def test_same_rows_as_the_local_engine(project):
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert project.rows() == local_rows(project)
    assert not [p for p in project.run_path.rglob("*") if p.suffix in (".tmp", ".recovery")]


@pytest.mark.slow
def test_selectors_decide_the_same(project):
    process = [*project.settings["process"], {"light_repeat_selector": {"most": 3}}]
    project.write_recipe(process=process)
    assert run.main(["mine.yaml", "limit=12", RAY]) == run.COMPLETE
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_a_run_goes_on_with_the_other_engine(project):
    assert run.main(["mine.yaml", "limit=12"]) == run.COMPLETE
    assert run.main(["mine.yaml", "limit=20", RAY]) == run.COMPLETE
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_moved_thresholds_give_the_rows_of_the_local_engine(dial):
    changes = ["light_length_filter.min_score=0.0", "dial_width_filter.most=1"]
    assert run.main(["mine.yaml", RAY, *changes]) == run.COMPLETE
    rows = dial.rows()
    assert run.main(["mine.yaml", "export_path=outputs/local", *changes]) == run.COMPLETE
    dial.run_path = dial.run_path.with_name("local")
    assert rows == dial.rows()


@pytest.mark.slow
def test_several_workers_give_the_same_rows(project):
    project.write_recipe(phases={"extra": {"num_cpus": 0.1, "concurrency": [1, 3]}})
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_deadly_rows_cost_only_themselves(project):
    project.write_captions(records(30, deadly=(5, 17)))
    project.write_recipe(limits={"max_failed_fraction": 0.5})
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    rows = project.rows()
    assert len({row.id for row in rows}) == len(rows) == 30
    assert [row.id for row in rows if row.status == "failed"] == ["cap-5", "cap-17"]
    assert {row.reason for row in rows if row.status == "failed"} == {
        "light_edit_mapper: worker_died"
    }


def phase_workers():
    """Processes that do shards: Ray names a process after the actor it holds."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("MapWorker" in part for part in process.info["cmdline"] or ())
    ]


@pytest.mark.slow
def test_killed_workers_cost_nothing(project):
    project.write_recipe(
        process=[{"light_edit_mapper": {"seconds": 0.05}}, *project.settings["process"][1:]]
    )
    killed, over = [], threading.Event()

    def kill() -> None:
        while not over.wait(1.5) and len(killed) < 3:
            for process in phase_workers()[:1]:
                process.kill()
                killed.append(process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    finally:
        over.set()
        killer.join()
    assert killed
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_one_interruption_finishes_what_is_in_hand(project, capsys):
    project.write_recipe(
        process=[{"light_edit_mapper": {"seconds": 0.2}}, *project.settings["process"][1:]]
    )
    first = project.run_path / "stages" / "00_extra" / "00000.json"

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not first.exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    assert "shards are safe. Run again to resume." in capsys.readouterr().err
    assert not [p for p in project.run_path.rglob("*") if p.suffix in (".tmp", ".recovery")]
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_pools_that_do_not_fit_together_take_turns(project):
    project.write_recipe(phases={"extra": {"num_cpus": 1.5}, "light_areas": {"num_cpus": 1.2}})
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    text = (project.run_path / "run.log").read_text()
    assert "not enough CPU for all phases at once: one after the other" in text
    assert project.rows() == local_rows(project)


@pytest.mark.slow
def test_a_phase_that_waits_for_its_turn_finds_the_workers_before_it_gone(project):
    """And with these processes the models that were in them."""
    (project.folder / "turns.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "import psutil\n"
        "from imgdiff.operator import Mapper, register\n"
        f"FOLDER = Path({str(project.folder)!r})\n"
        "@register('first_mapper')\n"
        "class First(Mapper):\n"
        "    stage = 'first'\n"
        "    def setup(self, models):\n"
        "        (FOLDER / 'first').write_text(str(os.getpid()))\n"
        "    def process(self, rows):\n"
        "        pass\n"
        "@register('second_mapper')\n"
        "class Second(Mapper):\n"
        "    stage = 'second'\n"
        "    def setup(self, models):\n"
        "        there = psutil.pid_exists(int((FOLDER / 'first').read_text()))\n"
        "        (FOLDER / 'second').write_text(str(there))\n"
        "    def process(self, rows):\n"
        "        pass\n"
    )
    project.write_recipe(
        operators=[*project.settings["operators"], "turns.py"],
        process=["light_edit_mapper", "first_mapper", "second_mapper"],
        phases={"first": {"num_cpus": 1.5}, "second": {"num_cpus": 1.2}},
    )
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    assert (project.folder / "second").read_text() == "False"


@pytest.mark.slow
def test_a_pool_that_never_fits_stops_the_run(project, capsys):
    project.write_recipe(phases={"extra": {"num_gpus": 64}})
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    assert "phases.extra asks for 64 GPU, the cluster has 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_stops_the_run(project, capsys):
    (project.folder / "needy.py").write_text(
        "from imgdiff.operator import Mapper, register\n"
        "@register('needy_mapper')\n"
        "class Needy(Mapper):\n"
        "    def setup(self, models):\n"
        "        raise OSError('no such weights')\n"
        "    def process(self, rows):\n"
        "        pass\n"
    )
    project.write_recipe(
        operators=[*project.settings["operators"], "needy.py"],
        process=[*project.settings["process"], "needy_mapper"],
    )
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    assert "a model cannot be loaded: no such weights" in capsys.readouterr().err


@pytest.mark.parametrize("act", ["surrogate", "status_done", "unreadable", "panic", "exit"])
def test_an_odd_row_costs_one_row(odd, act):
    odd.write_recipe(process=[{"odd_mapper": {"act": act}}])
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    rows = odd.rows()
    assert [row.id for row in rows if not row.ok] == ["cap-odd"]
    assert rows == local_rows(odd)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"odd_mapper": {"act": "no_server"}}, "mine at http://nowhere cannot be reached"),
        (
            {"odd_mapper": {"act": "no_library"}},
            "odd_mapper: libGL.so.1: cannot open shared object file. "
            "On Debian and Ubuntu: apt-get install libgl1. Or, in the place of opencv-python: "
            "pip install opencv-python-headless. Then run again.",
        ),
        (
            {"unready_mapper": {"error": "key"}},
            "extra: unready_mapper cannot be set up: KeyError: 'unet'",
        ),
    ],
)
def test_what_is_no_rows_fault_stops_the_run_in_one_line(odd, capsys, step, text):
    odd.write_recipe(process=[step])
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    assert capsys.readouterr().err.splitlines()[-1] == f"stopped: {text}"
    assert not list(odd.run_path.rglob("00000.json"))


def test_a_full_disk_of_a_worker_stops_the_run(odd, capsys):
    odd.write_recipe(process=[{"odd_mapper": {"act": "disk_full"}}])
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    assert "stopped: no space left on outputs/try" in capsys.readouterr().err


def test_an_error_of_ours_names_its_shard_and_type(odd, capsys):
    """What no other error stands for; Ray could not carry it, either."""
    odd.write_recipe(process=["spoiling_mapper"])
    assert run.main(["mine.yaml", RAY]) == run.STOPPED
    text = r"stopped: extra, shard [01]: SpoiltError: not to be stored"
    assert re.fullmatch(text, capsys.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("moment", ["00_extra/00000.json", "01_light_areas/00001.json"])
@pytest.mark.slow
def test_a_killed_driver_resumes_to_the_same_rows(project, moment):
    project.write_recipe(
        process=[{"light_edit_mapper": {"seconds": 0.1}}, *project.settings["process"][1:]]
    )
    # a driver and a Ray of its own, so that both can die
    alone = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    with subprocess.Popen(
        [*COMMAND, "ray_address=local"],
        env=alone,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 120
        while not (project.run_path / "stages" / moment).exists():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert run.main(["mine.yaml", RAY]) == run.COMPLETE
    ids = [row.id for row in project.rows()]
    assert sorted(ids) == sorted({record["id"] for record in records(30)})
    assert project.rows() == local_rows(project)
    assert not [p for p in project.run_path.rglob("*") if p.suffix in (".tmp", ".recovery")]
    report = json.loads((project.run_path / "report.json").read_text())
    assert report["rows"]["total"] == 30


@pytest.mark.slow
def test_two_interruptions_stop_at_once(project):
    """A driver with a Ray of its own: nothing of it may be left."""
    project.write_recipe(
        process=[{"light_edit_mapper": {"seconds": 1.0}}, *project.settings["process"][1:]]
    )
    stage = project.run_path / "stages" / "00_extra"
    with subprocess.Popen(
        [*COMMAND, "ray_address=local"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until = time.monotonic() + 120
        while not list(stage.glob("*.recovery")):
            assert time.monotonic() < until
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == run.STOPPED
    assert "stopped at once. Run again to resume." in errors
    assert time.monotonic() - began < 8 + 20  # a shard takes eight seconds
    assert not list(stage.glob("*.json"))


def test_workers_tell_of_failures_and_of_how_far_they_are(project, monkeypatch, capsys):
    monkeypatch.setattr("imgdiff.console.progress.SILENCE", 0.3)
    project.write_captions([*records(12), {"id": "odd", "caption": "bad"}])
    project.write_recipe(limits={"max_failed_fraction": 1.0})
    slowly = ["light_edit_mapper.seconds=0.3", "light_edit_mapper.batch_size=1"]
    assert run.main(["mine.yaml", RAY, *slowly]) == run.COMPLETE
    said = capsys.readouterr().out
    assert re.search(r"^starting workers of extra, light_areas, .* so far$", said, re.MULTILINE)
    assert said.count("row odd failed: light_edit_mapper: caption_bad: this caption is bad\n") == 1
    assert re.search(r"extra: \d+ of 13 rows; shard \d: \d of \d rows through light_edit_m", said)
