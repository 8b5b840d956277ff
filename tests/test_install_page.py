"""What the page on installing says is what was resolved, and nothing sends people to PyPI."""

import json
import re
import tomllib
from pathlib import Path

import environments
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
STORED = json.loads(environments.STORED.read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FROM_PYPI = re.compile(r"\binstall\b[^\n`#&;|]*[\s'\"]imgdiff(-synth)?(?![\w./:-])")


def test_the_tables_are_what_the_command_found():
    page = environments.PAGE.read_text("utf-8")
    assert environments.filled(page, STORED) == page
    assert page.count("<!-- table: ") == 2


def test_another_answer_makes_another_page():
    page = environments.PAGE.read_text("utf-8")
    changed = json.loads(json.dumps(STORED))
    for found in changed["together"]["vllm"].values():
        found["fits"] = False
    assert "| no: two environments |" in environments.filled(page, changed)
    changed["lowest"]["3.11"]["torch"] = "1.0"
    assert "| 3.11 | 1.0 |" in environments.filled(page, changed)


def test_at_least_four_tools_share_an_environment():
    fit = [tool for tool, found in STORED["together"].items() if found["3.12"]["fits"]]
    assert len(fit) >= 4


def test_the_bounds_are_those_that_were_resolved():
    """With the oldest Python the lowest version that is allowed can be had."""
    extras = PROJECT["optional-dependencies"]
    for line in (*PROJECT["dependencies"], *extras["ray"], *extras["train"], *extras["evaluate"]):
        wanted = Requirement(line)
        (bound,) = (Version(each.version) for each in wanted.specifier if each.operator == ">=")
        found = Version(STORED["lowest"]["3.11"][wanted.name])
        assert found.release[: len(bound.release)] == bound.release, line


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("pip install 'imgdiff-synth[train]'", True),
        ("pip install imgdiff", True),
        ("uv add imgdiff; uv pip install -q imgdiff", True),
        ("pip install -q -e . && .venv/bin/python -m imgdiff.run x", False),
        ("pip install -e '.[train]'", False),
    ],
)
def test_what_would_install_another_project_is_known(line, is_wrong):
    assert bool(FROM_PYPI.search(line)) == is_wrong


def test_no_line_installs_it_from_pypi():
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "imgdiff").rglob("*.py")]
    files += [*(ROOT / "recipes").rglob("*.yaml"), *(ROOT / "benchmarks").rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.name}: {line}"
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if FROM_PYPI.search(line) and "pip install" in line
    ]
    assert found == []
