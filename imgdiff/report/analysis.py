"""`imgdiff analyze`: how many samples each threshold keeps, as a table and as `analysis.html`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from imgdiff.console.progress import make_console
from imgdiff.report.rendering import render_page
from imgdiff.report.review import REVIEW, Ratings, graded, read_review
from imgdiff.statistics.dial import Curve, Dial, Point, StoredRun, load_run
from imgdiff.store.files import write_atomic

PAGE = "analysis.html"
SHOWN_VALUES = 5  # of a curve, in tables


@dataclass(frozen=True)
class Analysis:
    """now: as the run is. ratings: of a person, by region; empty without a review."""

    run: StoredRun
    now: Point
    curves: list[Curve]
    ratings: Ratings


def analyze(path: Path, given: Path | None) -> None:
    """Print the table and write the page; runs no model and changes nothing else.

    Args:
        path: the run folder. given: ratings; by default those in the folder, if it has any.

    Raises:
        RefusedError: there is no run, or the review cannot be used.
    """
    run = load_run(path)
    review = given or run.path / REVIEW
    name = run.info.project_name
    ratings = read_review(review, name) if given or review.is_file() else {}
    dial = Dial(run)
    curves = [dial.curve(threshold) for threshold in dial.thresholds]
    analysis = Analysis(run, dial.now(), curves, ratings)
    console = make_console()
    print_analysis(console, analysis)
    page = render_page(
        "analysis.html.jinja",
        ("page.css", "analysis.css"),
        (),
        info=run.info,
        analysis=analysis,
        few=few,
        graded=graded,
        line=line,
        review=review.name,
    )
    write_atomic(run.path / PAGE, page)
    console.print(f"{run.path / PAGE}", soft_wrap=True)


def few(curve: Curve) -> list[tuple[float, Point]]:
    """Some values of a threshold with what they keep, the present one among them."""
    values = curve.threshold.values
    places = {round(place) for place in np.linspace(0, len(values) - 1, SHOWN_VALUES)}
    if curve.threshold.now is not None:
        places.add(values.index(curve.threshold.now))
    return [(values[place], curve.points[place]) for place in sorted(places)]


def print_analysis(console: Console, analysis: Analysis) -> None:
    """A line for each threshold: samples kept at some of its values, `*` at the present one."""
    now = analysis.now
    rows = len(analysis.run.rows)
    console.print(f"{rows} rows, {now.rows} kept, {now.samples} samples", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("threshold")
    table.add_column("now", justify="right", no_wrap=True)
    table.add_column("value: samples kept (+ about as many more, once rows are run)")
    for curve in analysis.curves:
        threshold = curve.threshold
        shown = "none" if threshold.now is None else f"{threshold.now:g}"
        cells = [_cell(value, point, value == threshold.now) for value, point in few(curve)]
        table.add_row(threshold.name, shown, "  ".join(cells))
    console.print(table)
    for rubric, grades in graded(analysis.ratings, now.kept).items():
        if grades:
            console.print(f"{rubric}: {_shares(grades)}", soft_wrap=True)


def _cell(value: float, point: Point, present: bool) -> str:
    more = f"+{round(point.expected)}" if point.waiting else ""
    return f"{value:g}{'*' if present else ''}: {point.samples}{more}"


def _shares(grades: Counter[str]) -> str:
    total = grades.total()
    shares = [f"{grades[grade] / total:.0%} {grade}" for grade in ("high", "medium", "low")]
    return f"{', '.join(shares)} of {total} rated"


def line(values: Sequence[float], heights: Sequence[float], most: float) -> str:
    """Points of an SVG line in a plot of 320 x 96, with 8 free above."""
    low, high = values[0], values[-1]
    return " ".join(
        f"{320 * (value - low) / (high - low):.1f},{8 + 96 * (1 - height / (most or 1)):.1f}"
        for value, height in zip(values, heights, strict=True)
    )
