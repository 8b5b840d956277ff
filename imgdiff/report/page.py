"""`report.html` shows what a run kept, what it refused and why; `report/` has a page per pair."""

from collections import Counter, defaultdict
from typing import Any

import yaml

from imgdiff.export import FinishedRun
from imgdiff.files import write_atomic
from imgdiff.report.gallery import Group, gallery, groups
from imgdiff.report.histograms import Histogram, histogram
from imgdiff.report.pairs import thresholds, write_pairs
from imgdiff.report.rendering import render
from imgdiff.rows import Row

Values = defaultdict[tuple[str, str], list[float]]  # (scores or region_scores, name) -> values
STYLES = ("page.css", "review.css")
SCRIPTS = ("keys.js", "filters.js", "review.js")


def write_report(run: FinishedRun) -> None:
    """Write `report.html` and `report/` into the run folder, each whole or not at all.

    They open from disk and ask the network for nothing. `report.html` is one file with 500
    thumbnails at most, and each pair it shows has a page in `report/`. The shards are read one at
    a time: to count and measure, to pick what is shown, and those with such pairs for their pages.
    """
    pairs: Counter[Group] = Counter()
    values: Values = defaultdict(list)
    for shard in range(run.shard_count):
        for row in run.rows(shard):
            pairs.update(groups(row).keys())
            _note_scores(row, values)
    shelves = gallery(run, pairs)
    write_pairs(run, shelves)
    page = render(
        "page.html.jinja",
        STYLES,
        SCRIPTS,
        info=run.info,
        report=run.report,
        thresholds=thresholds(run.info),
        histograms=_histograms(run.info, values),
        shelves=shelves,
        recipe=yaml.safe_dump(run.info["recipe"], sort_keys=False, allow_unicode=True),
    )
    write_atomic(run.path / "report.html", page)


def _note_scores(row: Row, values: Values) -> None:
    for name, value in row.scores.items():
        values["scores", name].append(value)
    for region in row.regions:
        for name, value in region.scores.items():
            values["region_scores", name].append(value)


def _histograms(info: dict[str, Any], values: Values) -> list[Histogram]:
    return [
        histogram(
            score,
            operator["name"],
            values[kind, score],
            operator["thresholds"].get(score, (None, None)),
        )
        for operator in info["operators"]
        for kind in ("scores", "region_scores")
        for score in operator[kind]
    ]
