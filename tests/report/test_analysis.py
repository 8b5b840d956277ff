"""What thresholds would keep, against runs that have them; and what a person said of it."""

import json
from pathlib import Path

import pytest

from imgdiff import cli, run
from imgdiff.engine.replay import Trace
from imgdiff.report.review import read_review
from imgdiff.statistics.dial import Dial, load_run

TIGHTER = [
    ("light_length_filter.max_score", 0.25),
    ("dial_width_filter.min_width", 0.45),
    ("dial_width_filter.most", 1),
    ("dial_name_filter.min_width", 0.0),
    ("dial_name_filter.min_width", 0.6),
]


def point(dial, name, value):
    (threshold,) = (each for each in dial.thresholds if each.name == name)
    moved = dial.curve(type(threshold)(**vars(threshold) | {"values": (value,)}))
    return moved.points[0]


@pytest.mark.parametrize(("name", "value"), TIGHTER)
def test_stored_scores_tell_what_a_run_would_keep(dial, name, value):
    told = point(Dial(load_run(dial.run_path)), name, value)
    assert run.main(["mine.yaml", f"{name}={value}"]) == run.COMPLETE
    report = json.loads((dial.run_path / "report.json").read_text())
    assert (told.rows, told.samples) == (report["rows"]["ok"], report["samples"])
    assert told.waiting == 0


def test_what_no_one_has_scored_waits(dial):
    told = Dial(load_run(dial.run_path))
    now, looser = told.now(), point(told, "light_length_filter.min_score", 0.0)
    assert looser.samples == now.samples
    assert looser.waiting == 4
    assert looser.expected > 0


def test_values_that_do_not_fit_together_keep_nothing(dial):
    told = Dial(load_run(dial.run_path))
    assert point(told, "light_length_filter.min_score", 0.9).samples == 0


def test_curves_pass_through_the_present(dial):
    told = Dial(load_run(dial.run_path))
    for threshold in told.thresholds:
        if threshold.now is not None:
            there = threshold.values.index(threshold.now)
            assert told.curve(threshold).points[there].samples == told.now().samples


def write_review(path, ratings):
    path.write_text(json.dumps({"run": "try", "ratings": ratings}))


def test_the_table_and_the_page(dial, capsys):
    kept = next(row for row in dial.rows() if row.ok)
    number = kept.regions.index(kept.kept_regions[0])
    region = f"{kept.id}-{number}"
    write_review(dial.run_path / "review.json", {region: {"box": "high", "content": "low"}})
    capsys.readouterr()
    assert cli.main(["analyze", str(dial.run_path)]) == run.COMPLETE
    output = capsys.readouterr().out
    assert "20 rows, 6 kept, 16 samples\n" in output
    assert "dial_width_filter.most" in output
    assert "box: 100% high, 0% medium, 0% low of 1 rated\n" in output
    assert output.endswith("outputs/try/analysis.html\n")
    page = (dial.run_path / "analysis.html").read_text()
    assert "default-src &#39;none&#39;" in page
    assert '<script type="module"></script>' in page
    assert "1 regions are rated in review.json" in page


REFUSED_REVIEWS = [
    ("{", "not valid JSON"),
    ("[]", "expected ratings, by the ids of regions"),
    ('{"ratings": {"a-0": {"box": "fine"}}}', "a-0: fine is no grade, expected box, content, "),
    ('{"run": "other", "ratings": {}}', "ratings of the run other, expected of try"),
    ('{"ratings": {"a-0": {"boxes": "high"}}}', "a-0: expected box, content, difference as high, "),
]


@pytest.mark.parametrize(("text", "message"), REFUSED_REVIEWS)
def test_a_review_of_another_form_is_refused(tmp_path, text, message):
    path = tmp_path / "review.json"
    path.write_text(text)
    with pytest.raises(run.RefusedError, match=message):
        read_review(path, "try")


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_shard_that_lacks_a_file_is_left_out(dial, capsys, kind):
    next((dial.run_path / "stages").glob(f"00*/00001.*{kind}")).unlink()
    capsys.readouterr()
    assert cli.main(["analyze", str(dial.run_path)]) == run.COMPLETE
    assert capsys.readouterr().out.startswith("14 rows, ")


def test_what_cannot_be_analyzed_is_refused(dial, capsys):
    capsys.readouterr()
    for arguments, message in [
        (["none"], "none is no run folder: run.json is missing or cannot be read"),
        ([str(dial.run_path), "--review", "none"], "none: No such file or directory"),
    ]:
        assert cli.main(["analyze", *arguments]) == run.REFUSED
        assert message in capsys.readouterr().err
    for manifest in Path(dial.run_path).glob("stages/02*/*.json"):
        manifest.unlink()
    assert cli.main(["analyze", str(dial.run_path)]) == run.REFUSED
    assert "outputs/try: no shard is complete. Run the recipe first." in capsys.readouterr().err


def test_a_rows_way_is_gone_once_for_each_outcome_of_a_moved_limit(dial, monkeypatch):
    decided = []
    replay = Trace.after

    def after(self, number, operator, given):
        decided.append(number)
        return replay(self, number, operator, given)

    told = Dial(load_run(dial.run_path))
    (limit,) = (each for each in told.thresholds if each.name == "dial_width_filter.min_width")
    monkeypatch.setattr(Trace, "after", after)
    told.curve(limit)
    moved = decided.count(limit.number)
    assert 0 < decided.count(limit.number + 1) < moved / 4  # and not again for each value
