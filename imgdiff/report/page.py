"""`report.html` shows what a run kept, what it refused and why; `report/` has a page per pair."""

import yaml

from imgdiff.data.fields import pictures
from imgdiff.export import FinishedRun
from imgdiff.report.gallery import PairGroup, gallery, groups
from imgdiff.report.pairs import thresholds, write_pair_pages
from imgdiff.report.rendering import render_page
from imgdiff.statistics.histograms import Scores
from imgdiff.store.files import write_atomic

STYLES = ("page.css", "review.css")
SCRIPTS = ("keys.js", "filters.js", "review.js")


def write_report(run: FinishedRun) -> None:
    """Write `report.html` and `report/` into the run folder, each whole or not at all.

    They open from disk and ask the network for nothing. `report.html` is one file with 500
    thumbnails at most, and each pair it shows has a page in `report/`. The shards are read one at
    a time: without pictures to count and measure, and those with pairs that are shown for their
    thumbnails and their pages.
    """
    places: dict[PairGroup, list[int]] = {}  # shard of each pair
    scores, unread = Scores(), pictures(run.info.known_fields)
    for shard in range(run.shard_count):
        rows = run.rows(shard, unread)
        scores.add(rows)
        for group in (group for row in rows for group in groups(row)):
            places.setdefault(group, []).append(shard)
    sections = gallery(run, places)
    write_pair_pages(run, sections)
    page = render_page(
        "page.html.jinja",
        STYLES,
        SCRIPTS,
        info=run.info,
        report=run.report,
        thresholds=thresholds(run.info),
        histograms=scores.histograms(run.info),
        sections=sections,
        recipe=yaml.safe_dump(run.info.recipe, sort_keys=False, allow_unicode=True),
    )
    write_atomic(run.path / "report.html", page)
