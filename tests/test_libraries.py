"""A library that cannot be imported is told before the first row, and how it is installed."""

import sys
from pathlib import Path

import pytest

from imgdiff import run

OPERATOR = """
from imgdiff.operator import Mapper, register

try:
    import one_that_is_not_needed
except ImportError:
    pass


@register("late_mapper")
class LateMapper(Mapper):
    stage = "late"
    reads, writes = ("caption_a",), ("objects",)

    def process(self, rows):
        if rows[0].id == "none":
            {statement}
"""


@pytest.fixture
def late(project, monkeypatch):
    """A recipe whose second phase imports something at a row that never comes."""
    monkeypatch.syspath_prepend(project.folder)

    def put(statement):
        Path("late_operators.py").write_text(OPERATOR.format(statement=statement))
        project.settings["operators"].append("late_operators.py")
        project.write_recipe(process=["light_edit_mapper", "late_mapper"])
        return project

    return put


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("import not_there", "No module named 'not_there'."),
        ("from not_there.inside import something", "No module named 'not_there'."),
        ("import broken_library", "RuntimeError: built for another numpy."),
        ("from json import not_in_it", "No module named 'json.not_in_it'"),
    ],
)
def test_what_a_later_phase_imports_is_missed_before_the_first_row(late, capsys, statement, text):
    Path("broken_library.py").write_text("raise RuntimeError('built for\\nanother numpy')")
    project = late(statement)
    assert run.main(["mine.yaml"]) == run.STOPPED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stopped: late_mapper: {text}")
    assert line.endswith(" Install what is missing, then run again.")
    assert not list(project.run_path.rglob("*.parquet"))


def test_the_same_command_goes_on_when_it_is_installed(late):
    late("import broken_library")
    assert run.main(["mine.yaml"]) == run.STOPPED
    Path("broken_library.py").touch()
    assert run.main(["mine.yaml"]) == run.COMPLETE


def test_what_opencv_lacks_is_named(project, monkeypatch, capsys):
    """As it fails on a machine without a screen."""
    Path("cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file')"
    )
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.syspath_prepend(project.folder)
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert capsys.readouterr().err == (
        "stopped: the report: libGL.so.1: cannot open shared object file: No such file. "
        "On Debian and Ubuntu: apt-get install libgl1. Or, in the place of opencv-python: "
        "pip install opencv-python-headless. Then run again.\n"
    )
    assert not list(project.run_path.rglob("*.parquet"))


def test_what_is_done_needs_no_library(late):
    """A threshold is moved, or nothing: no model runs."""
    project = late("import mine_alone")
    Path("mine_alone.py").touch()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    Path("mine_alone.py").unlink()
    del sys.modules["mine_alone"]
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.rows()
