"""A filter of one's own states in `limits` which settings limit its scores; all else follows."""

import re
from pathlib import Path

import pytest

from imgdiff import cli, run
from imgdiff.recipe.check import check

PAGE = Path(__file__).parents[1] / "docs" / "operators.md"
FILE = "short_caption_filter.py"


@pytest.fixture
def own(project):
    """A run with the operator that the page shows, which notes what it scores."""
    shown = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    head = "        for row in rows:\n"
    assert shown.count(head) == 1
    noting = head + '            print(row.id, file=open("scored.txt", "a"))\n'
    Path(FILE).write_text(shown.replace(head, noting))
    project.write_recipe(
        operators=[*project.settings["operators"], FILE],
        process=[{"short_caption_filter": {"max_words": 6}}, "light_edit_mapper", "light_areas"],
    )
    project.finish()
    return project


def scored():
    return Path("scored.txt").read_text().split()


def test_the_report_knows_the_limit(own):
    assert own.open().info.operators[0].thresholds == {"caption_words": (None, 6)}
    assert "wanted at most 6" in re.sub(r"<.*?>", "", (own.run_path / "report.html").read_text())


def test_a_moved_limit_decides_stored_scores_again(own):
    assert (len(scored()), sum(row.ok for row in own.rows())) == (30, 16)
    assert run.main(["mine.yaml", "short_caption_filter.max_words=9"]) == run.COMPLETE
    assert (len(scored()), sum(row.ok for row in own.rows())) == (30, 23)


def test_analyze_moves_it_through_the_scores(own, capsys):
    capsys.readouterr()
    assert cli.main(["analyze", str(own.run_path)]) == run.COMPLETE
    (line,) = (x for x in capsys.readouterr().out.splitlines() if "max_words" in x)
    values = [int(value) for value in re.findall(r"(\d+)\*?:", line)]
    assert (values[0], values[-1], 6 in values) == (3, 12, True)


WRONG = [
    ('"caption_words": (None,', '"words": (None,', "limits name 'words', .* leaves no such score"),
    ('"max_words")}', '"most_words")}', "decided by 'most_words', but it has no such setting"),
    ("    def decide", "    fixed = ('words',)\n\n    def decide", "fixed names 'words', but it"),
    ("    def decide", "    decided_by = ('rule',)\n\n    def decide", "decided by 'rule', but it"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_a_name_that_the_operator_has_not_is_refused(own, right, wrong, message):
    text = Path(FILE).read_text()
    assert text.count(right) == 1
    Path(FILE).write_text(text.replace(right, wrong))
    with pytest.raises(run.RefusedError, match=rf"operators\[1\]: {FILE}: .*: {message}"):
        check("mine.yaml")
