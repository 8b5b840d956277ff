"""Two runs side by side."""

from imgdiff import cli, run
from imgdiff.report.compare import _quantiles


def test_two_runs_are_compared(dial, capsys):
    other = ["mine.yaml", "dial_width_filter.most=1", "light_length_filter.max_score=0.25"]
    assert run.main([*other, "export_path=outputs/other"]) == run.COMPLETE
    rows = {row.id: row for row in dial.rows()}
    capsys.readouterr()
    assert cli.main(["diff", "outputs/try", "outputs/other"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("process.light_length_filter.max_score: 0.35 -> 0.25\n")
    words = [line.split() for line in output.splitlines()]
    assert ["rows,", "light_length_filter:", "caption_long", "0", "6", "+6"] in words
    (length,) = (line for line in words if line[0] == "caption_length")
    assert length[1:6] == length[6:11]
    assert length[11:] == ["+0.000", "16"]
    before = sum(len(row.kept_regions) for row in rows.values() if row.ok)
    lost = int(output[: output.index(" samples only in outputs/try")].splitlines()[-1])
    assert 0 < lost <= before
    assert " light_length_filter: caption_long (cap-4-" in output
    assert " dial_width_filter: over_limit (cap-0-" in output
    assert output.endswith("0 samples only in outputs/other\n")


def test_scores_are_told_as_their_10_50_and_90_percent_quantiles():
    assert _quantiles([k / 100 for k in range(101)]) == "0.100 / 0.500 / 0.900"


def test_another_folder_is_refused(project, capsys):
    assert cli.main(["diff", "one", "two"]) == run.REFUSED
    assert "one is no run folder" in capsys.readouterr().err
