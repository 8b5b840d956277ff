"""`benchmarks/edits.py`: a seeded sheet, the marks that a person gives it, and what these say."""

import json
import sys

import edits
import pytest

CAPTIONS = ["A man on a brown sofa", "A dog on the grass", "Nothing", "Two cats on a rug"]


@pytest.fixture
def sheet(project, monkeypatch, capsys):
    """Runs the command; gives its figures and what it printed."""
    rows = [{"text": caption, "labels": ["sky", "quay"]} for caption in CAPTIONS]
    project.write_captions(rows)
    monkeypatch.setattr(edits, "MARKS", project.folder / "marks.jsonl")

    def command(*arguments):
        columns = ["--columns", "caption=text", "objects=labels"]
        given = ["edits.py", "captions.jsonl", *columns, "--json", "figures.json", *arguments]
        monkeypatch.setattr(sys, "argv", given)
        edits.main()
        return json.loads((project.folder / "figures.json").read_text()), capsys.readouterr().out

    return command


def test_a_sheet_is_the_same_for_a_seed(sheet):
    figures, printed = sheet("--seed", "3")
    assert sheet("--seed", "3")[1] == printed
    assert figures["edits"] == 3
    assert figures["can_be_edited"] == 0.75
    assert figures["objects_unknown"] == 0.5
    assert printed.startswith("1\t")


def test_marks_are_kept_without_the_captions(sheet, project):
    assert sheet("--seed", "3")[0]["marked"] == 0
    figures, _ = sheet("--seed", "3", "--broken", "2", "--implausible", "2,3")
    assert figures["marked"] == 3
    assert figures["broken_grammar"] == pytest.approx(1 / 3)
    assert figures["implausible"] == pytest.approx(2 / 3)
    assert sheet("--seed", "3")[0] == figures
    kept = (project.folder / "marks.jsonl").read_text()
    assert len(kept.splitlines()) == 3
    assert not any(word in kept for word in ("man", "dog", "sofa", "rug"))
