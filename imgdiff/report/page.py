"""`report.html`: one file that shows what a run kept, what it refused and why."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from imgdiff.export import FinishedRun
from imgdiff.export.card import limits
from imgdiff.files import write_atomic
from imgdiff.report.gallery import Group, gallery, groups
from imgdiff.report.histograms import Histogram, histogram
from imgdiff.rows import Row

Values = defaultdict[tuple[str, str], list[float]]  # (scores or region_scores, name) -> values


def write_report(run: FinishedRun) -> None:
    """Write `report.html` into the run folder, whole or not at all.

    It opens from disk, asks the network for nothing, and holds 500 thumbnails at most. The shards
    are read twice, one at a time: to count and measure, then to pick what is shown.
    """
    pairs: Counter[Group] = Counter()
    values: Values = defaultdict(list)
    for shard in range(run.shard_count):
        for row in run.rows(shard):
            pairs.update(groups(row).keys())
            _note_scores(row, values)
    template = _environment().get_template("page.html.jinja")
    page = template.render(
        info=run.info,
        report=run.report,
        thresholds={k: v for op in run.info["operators"] for k, v in op["thresholds"].items()},
        histograms=_histograms(run.info, values),
        shelves=gallery(run, pairs),
        recipe=yaml.safe_dump(run.info["recipe"], sort_keys=False, allow_unicode=True),
    )
    write_atomic(run.path / "report.html", page.encode())


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"limits": limits, "duration": duration, "spoken": spoken}
    environment.tests["outside"] = outside
    return environment


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


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def outside(value: float, bounds: Sequence[float | None]) -> bool:
    """Whether a score lies beyond a threshold; ranges are closed."""
    low, high = bounds
    return (low is not None and value < low) or (high is not None and value > high)


def spoken(code: str) -> str:
    """`pair_too_similar` as `pair too similar`."""
    return code.replace("_", " ")
