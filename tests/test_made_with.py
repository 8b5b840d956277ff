"""What a run was made with, and what is said when that changes between two starts."""

import json
from pathlib import Path

import pytest

from imgdiff import run
from imgdiff.engine import description

OPERATOR = """
from imgdiff.operator import Mapper, register


@register("own_mapper")
class OwnMapper(Mapper):
    reads, writes = ("caption_a",), ("caption_b",)

    def process(self, rows):
        for row in rows:
            row["caption_b"] = row["caption_a"] + "{mark}"
"""


@pytest.fixture
def own(project):
    Path("own_operators.py").write_text(OPERATOR.format(mark="1"))
    project.settings |= {"operators": ["own_operators.py"], "process": ["own_mapper"]}
    project.write_recipe()
    return project


@pytest.fixture
def torch_of(monkeypatch):
    """Set the version of torch that the next start finds."""
    usual = description.package_version

    def put(version):
        def found(name):
            return version if name == "torch" else usual(name)

        monkeypatch.setattr(description, "package_version", found)

    return put


def history(project):
    return [entry["changed"] for entry in stored(project)["history"]]


def stored(project):
    return json.loads((project.run_path / "run.json").read_text())


def card(project):
    return (project.run_path / "data" / "README.md").read_text()


def test_a_changed_operator_file_is_noticed(own, capsys):
    assert run.main(["mine.yaml", "limit=8"]) == run.COMPLETE
    first = stored(own)["operators"][0]["file_sha256"]
    Path("own_operators.py").write_text(OPERATOR.format(mark="2"))
    assert run.main(["mine.yaml", "limit=16"]) == run.COMPLETE
    second = stored(own)["operators"][0]["file_sha256"]
    line = f"file of.own_mapper: {first[:12]} -> {second[:12]}"
    assert line in history(own)[0]
    assert line in capsys.readouterr().out
    assert {row["caption_b"][-1] for row in own.rows()} == {"2"}


def test_the_file_that_is_hashed_is_the_one_that_runs(own):
    """Python would take what it compiled of a file of this size at this second."""
    for mark in "123":
        Path("own_operators.py").write_text(OPERATOR.format(mark=mark))
        assert run.main(["mine.yaml", "limit=2"]) == run.COMPLETE
        assert {row["caption_b"][-1] for row in own.rows()} == {mark}


def test_other_versions_are_told_and_the_card_says_so(own, torch_of, capsys):
    torch_of("2.15.0")
    assert run.main(["mine.yaml", "limit=8"]) == run.COMPLETE
    assert "Not all rows" not in card(own)
    torch_of("2.16.0")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert "package.torch: 2.15.0 -> 2.16.0" in history(own)[0]
    assert "package.torch: 2.15.0 -> 2.16.0" in capsys.readouterr().out
    assert "for the run went on after a change:\ntorch 2.15.0 and 2.16.0." in card(own)
    page = (own.run_path / "report.html").read_text()
    assert "Some rows were made with other versions: torch 2.15.0 and 2.16.0" in page


def test_what_is_done_anew_is_not_mixed(own, torch_of):
    torch_of("2.15.0")
    assert run.main(["mine.yaml", "limit=8"]) == run.COMPLETE
    torch_of("2.16.0")
    assert run.main(["mine.yaml", "seed=7"]) == run.COMPLETE
    assert "Not all rows" not in card(own)


def test_moved_thresholds_leave_what_it_was_made_with(project, torch_of):
    torch_of("2.15.0")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    torch_of("2.16.0")
    assert run.main(["mine.yaml", "light_area_filter.min_score=0.2"]) == run.COMPLETE
    assert "Not all rows" not in card(project)
    path = next((project.run_path / "stages" / "01_light_areas").glob("00000.json"))
    assert json.loads(path.read_text())["versions"]["torch"] == ["2.15.0"]
