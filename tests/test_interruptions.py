"""After a first signal a run ends within ten seconds, after a second at once, whatever its
operators do."""

import signal
import subprocess
import sys
import time

import pytest
from chat_server import Server
from small_project import LIGHT_OPERATORS

from imgdiff import run
from imgdiff.console.signals import AT_ONCE, PATIENCE

MARGIN = 10.0  # seconds, for a busy machine
OPERATORS = '''
import time

from imgdiff.operator import Mapper, register

@register("sleepy_mapper")
class SleepyMapper(Mapper):
    """Takes minutes for a row."""

    def process(self, rows):
        open("begun", "w")
        time.sleep(600)

@register("deaf_mapper")
class DeafMapper(Mapper):
    """Is not interrupted by anything, as some libraries."""

    def process(self, rows):
        open("begun", "w")
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
'''


@pytest.fixture
def start(project):
    """Starts a run of an operator, and waits until that is at work."""
    processes = []

    def start_with(step, **changes):
        (project.folder / "own.py").write_text(OPERATORS)
        odd = LIGHT_OPERATORS.with_name("odd_operators.py")
        project.write_recipe(operators=["own.py", str(odd)], process=[step], **changes)
        command = [sys.executable, "-m", "imgdiff.run", "mine.yaml"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start_with
    for process in processes:
        process.kill()
        process.communicate()


def wait_until(is_true, process):
    until = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def seconds_to_end(process):
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == run.STOPPED
    assert errors.endswith("stopped at once. Run again to resume.\n")
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize(("step", "seconds"), [("sleepy_mapper", 0), ("deaf_mapper", AT_ONCE)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal(project, start, step, seconds, number):
    process = start(step)
    wait_until((project.folder / "begun").exists, process)
    process.send_signal(number)
    assert f", {PATIENCE:g} s at most; once more stops at once" in process.stdout.readline()
    assert PATIENCE - 1 < seconds_to_end(process) < PATIENCE + seconds + MARGIN


@pytest.mark.slow
@pytest.mark.parametrize(("step", "seconds"), [("sleepy_mapper", 0), ("deaf_mapper", AT_ONCE)])
def test_a_second_signal(project, start, step, seconds):
    process = start(step)
    wait_until((project.folder / "begun").exists, process)
    process.send_signal(signal.SIGINT)
    assert "once more stops at once" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert seconds_to_end(process) < min(seconds + MARGIN, PATIENCE)


@pytest.mark.slow
def test_a_server_that_never_answers_is_not_waited_for(project, start):
    server = Server()
    server.script, server.usual = ["answered"], "drip"
    answering = {"base_url": server.url, "model": "toy", "timeout_s": 600}
    process = start("asking_mapper", models={"llm": answering})
    wait_until(lambda: len(server.asked) > 1, process)
    process.send_signal(signal.SIGINT)
    assert "once more stops at once" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert seconds_to_end(process) < MARGIN
    server.close()


@pytest.mark.slow
def test_the_run_goes_on_where_it_was(project, start):
    process = start("sleepy_mapper")
    wait_until((project.folder / "begun").exists, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    project.write_recipe()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert len(project.rows()) == 30
