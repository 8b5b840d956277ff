"""`imgdiff calibrate RUN --ratings FILE`: limits for a wished precision, as a table, a page and a
file that the recipe is run with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError
from imgdiff.recipe.scales import settings_of
from imgdiff.report.rating import overrides_text, read_choice, scored_run
from imgdiff.report.rendering import render_page
from imgdiff.report.review import judged, read_review
from imgdiff.statistics.calibration import Calibration, Kept, calibrate
from imgdiff.statistics.estimates import Estimate
from imgdiff.store.files import write_atomic

LIMITS, PAGE_OF_LIMITS = "limits.txt", "limits.html"
WIDE, HIGH, TOP = 320.0, 96.0, 8.0  # of a plot


def choose_limits(path: Path, review: Path, wished: float, least: str) -> None:
    """Print the table, and write the page and the limits, from ratings of pairs that were chosen.

    Args:
        path: the run folder. review: the ratings. wished: precision. least: the grade from which on
            an answer is right.

    Raises:
        RefusedError: there is no such run, its pairs are not chosen, or the ratings do not do.
    """
    run = scored_run(path)
    choice = read_choice(run)
    weights, questions = choice["samples"], choice["questions"]
    said = judged(read_review(review, choice["run"]), questions, least)
    right = {sample: value for sample, value in said.items() if sample in weights}
    if not right:
        text = f"none of the {len(weights)} samples of {run.place} is rated"
        raise RefusedError(f"{review}: {text}: each is asked about {', '.join(questions)}")
    found = calibrate(run.samples, right, weights, wished)
    settings, console = found.settings, make_console()
    target, page = run.place / LIMITS, run.place / PAGE_OF_LIMITS
    heading = f"Limits of {path} by {len(right)} ratings\n{verdict(found)}"
    models = {role: model.name for role, model in run.folder.info.models.items()}
    write_atomic(target, overrides_text(heading, {**settings, **settings_of(models)}))
    write_atomic(
        page,
        render_page(
            "limits.html.jinja",
            ("page.css", "analysis.css", "limits.css"),
            (),
            info=run.folder.info,
            found=found,
            chosen=len(weights),
            verdict=verdict(found),
            target=target,
            plot=plot,
            shown=shown,
        ),
    )
    print_calibration(console, found, len(weights))
    console.print(f"{page} draws the curves. Run the recipe again with @{target}", soft_wrap=True)


def verdict(found: Calibration) -> str:
    """Whether the wish is met, and how sure that is, in a sentence."""
    kept, wished = found.best, f"{found.wished:g}"
    if found.reached and found.chosen == 0:
        return f"The limits of the run reach {wished} already: {shown(kept.precision)}."
    if found.reached:
        text = f"Chosen for {wished}. Ratings that had no part in the choice say"
        return f"{text} {shown(found.held_out)}."
    rated = (
        f"the best limits keep {kept.precision.items} rated samples, {shown(kept.precision)} right"
    )
    return (
        f"These ratings do not show that {wished} is reached: {rated}. More of them may: --pairs."
    )


def shown(precision: Estimate) -> str:
    """With its interval; two digits, as some 60 ratings tell no more."""
    if not precision.items:
        return "not known"
    return f"{precision.value:.2f} ({precision.low:.2f} to {precision.high:.2f})"


def print_calibration(console: Console, found: Calibration, chosen: int) -> None:
    """How many were rated, what the limits keep and where each of them stands."""
    rated = found.right + found.wrong
    counts = f"{found.right} right, {found.wrong} wrong"
    console.print(f"{rated} of {chosen} samples are rated: {counts}\n", soft_wrap=True)
    table = _table("", "samples", "precision (95 % interval)")
    for name, kept in (("limits of the run", found.path[0]), ("these limits", found.best)):
        table.add_row(name, str(kept.samples), shown(kept.precision))
    table.add_row("  held out", "", shown(found.held_out))
    console.print(table)
    console.print()
    table = _table("limit", "run", "these")
    for each in found.alone:
        name, note = each.limit.name, "" if each.moves else " *"
        table.add_row(name, f"{each.limit.now:g}", f"{found.settings[name]:g}{note}")
    console.print(table)
    if not all(each.moves for each in found.alone):
        console.print("* stays: its scores do not tell right from wrong", soft_wrap=True)
    console.print()
    console.print(verdict(found), soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


@dataclass(frozen=True)
class Plot:
    """Points of SVG lines in a plot of 320 x 96, with 8 free above.

    precision: a line, where some rated sample is kept, and band: its interval. samples: the share
    that is kept. start, end: values at the edges. marks: (place, value) of values to be marked.
    """

    precision: str
    band: str
    samples: str
    start: float
    end: float
    marks: list[tuple[float, float]]


def plot(values: Sequence[float], kept: Sequence[Kept], total: int, *marks: float) -> Plot:
    """What limits keep, drawn over some value of them."""
    start, end = min(*values, *marks), max(*values, *marks)

    def place(value: float) -> float:
        return WIDE * (value - start) / ((end - start) or 1.0)

    def points(heights: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{place(x):.1f},{TOP + HIGH * (1 - y):.1f}" for x, y in heights)

    told = [
        (x, each.precision) for x, each in zip(values, kept, strict=True) if each.precision.items
    ]
    return Plot(
        points((x, precision.value) for x, precision in told),
        points([(x, p.low) for x, p in told] + [(x, p.high) for x, p in reversed(told)]),
        points((x, each.samples / total) for x, each in zip(values, kept, strict=True)),
        start,
        end,
        [(place(value), value) for value in dict.fromkeys(marks)],
    )
