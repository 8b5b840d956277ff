"""`report.html` shows what a run kept, what it refused and why; `report/` has a page per pair."""

from collections import Counter

import yaml

from imgdiff.export import FinishedRun
from imgdiff.report.gallery import Group, gallery, groups
from imgdiff.report.pairs import thresholds, write_pairs
from imgdiff.report.rendering import render
from imgdiff.statistics.histograms import Scores
from imgdiff.store.files import write_atomic

STYLES = ("page.css", "review.css")
SCRIPTS = ("keys.js", "filters.js", "review.js")


def write_report(run: FinishedRun) -> None:
    """Write `report.html` and `report/` into the run folder, each whole or not at all.

    They open from disk and ask the network for nothing. `report.html` is one file with 500
    thumbnails at most, and each pair it shows has a page in `report/`. The shards are read one at
    a time: to count and measure, to pick what is shown, and those with such pairs for their pages.
    """
    pairs: Counter[Group] = Counter()
    scores = Scores()
    for shard in range(run.shard_count):
        rows = run.rows(shard)
        scores.add(rows)
        for row in rows:
            pairs.update(groups(row).keys())
    shelves = gallery(run, pairs)
    write_pairs(run, shelves)
    page = render(
        "page.html.jinja",
        STYLES,
        SCRIPTS,
        info=run.info,
        report=run.report,
        thresholds=thresholds(run.info),
        histograms=scores.histograms(run.info),
        shelves=shelves,
        recipe=yaml.safe_dump(run.info["recipe"], sort_keys=False, allow_unicode=True),
    )
    write_atomic(run.path / "report.html", page)
