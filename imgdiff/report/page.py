"""`report.html` shows what a run kept, what it refused and why; `report/` has a page per pair."""

from array import array
from collections.abc import Sequence
from functools import partial

import yaml

from imgdiff.data.fields import pictures
from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.report.gallery import PairGroup, gallery, groups
from imgdiff.report.pairs import thresholds, write_pair_pages
from imgdiff.report.paths import settings_without_paths
from imgdiff.report.rendering import render_page
from imgdiff.report.verdicts import region_verdicts, rules
from imgdiff.statistics.histograms import Scores
from imgdiff.store.files import write_atomic
from imgdiff.store.run_info import RunInfo

STYLES = ("page.css", "review.css")
SCRIPTS = ("keys.js", "filters.js", "review.js")


class Noted:
    """What the page has to know of all rows, as the shards pass by; pictures are not needed."""

    def __init__(self) -> None:
        self.places: dict[PairGroup, array[int]] = {}  # shard of each pair
        self.scores = Scores()

    def add(self, shard: int, rows: Sequence[Row]) -> None:
        self.scores.add(rows)
        for group in (group for row in rows for group in groups(row)):
            self.places.setdefault(group, array("l")).append(shard)


def write_report(run: FinishedRun, noted: Noted | None = None) -> None:
    """Write `report.html` and `report/` into the run folder, each whole or not at all.

    They open from disk and ask the network for nothing. `report.html` is one file with 500
    thumbnails at most, and each pair it shows has a page in `report/`. Of the shards those with
    pairs that are shown are read, one at a time, for their thumbnails and their pages.

    noted: of all rows; None: the shards are read for it, without pictures.
    """
    if noted is None:
        noted, unread = Noted(), pictures(run.info.known_fields)
        for shard in range(run.shard_count):
            noted.add(shard, run.rows(shard, unread))
    sections = gallery(run, noted.places)
    write_pair_pages(run, sections)
    page = render_page(
        "page.html.jinja",
        STYLES,
        SCRIPTS,
        info=run.info,
        report=run.report,
        thresholds=thresholds(run.info),
        rules=rules(run.info),
        verdicts=partial(region_verdicts, run.info),
        histograms=noted.scores.histograms(run.info),
        sections=sections,
        recipe=_recipe(run.info),
    )
    write_atomic(run.path / "report.html", page)


def _recipe(info: RunInfo) -> str:
    settings = settings_without_paths(info.recipe)
    return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
