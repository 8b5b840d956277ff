"""`imgdiff diff RUN_A RUN_B`: yield by reason, score shifts, and samples that only one run has."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.table import Table

from imgdiff.console.progress import make_console
from imgdiff.data.rows import Row
from imgdiff.statistics.dial import StoredRun, load_run
from imgdiff.store.identity import recipe_changes

SHOWN_IDS = 5


def compare(first: Path, second: Path) -> None:
    """Print how two runs differ; what is compared is what both have stored.

    Raises:
        RefusedError: one of them is no run, or has no complete shard.
    """
    runs = load_run(first), load_run(second)
    console = make_console()
    for line in recipe_changes(runs[0].info, runs[1].info):
        console.print(line, soft_wrap=True)
    if runs[0].info.input.sha256 != runs[1].info.input.sha256:
        console.print("the inputs differ: rows are compared by their ids", soft_wrap=True)
    console.print(_endings(*runs))
    console.print(_shifts(*runs))
    for line in (*_only_in(*runs), *_only_in(runs[1], runs[0])):
        console.print(line, soft_wrap=True)


def _endings(first: StoredRun, second: StoredRun) -> Table:
    """How many rows and regions ended for each reason, side by side."""
    table = _table("ending", first, second)
    counts = [_reasons(run) for run in (first, second)]
    for kind in dict.fromkeys([*counts[0], *counts[1]]):
        before, after = (each[kind] for each in counts)
        change = f"{after - before:+d}" if after != before else ""
        table.add_row(kind, str(before), str(after), change)
    return table


def _reasons(run: StoredRun) -> Counter[str]:
    """Rows, pairs kept and samples, then rows by their reason in the order of operators, then
    regions."""
    kept = [row for row in run.rows if row.ok]
    samples = sum(len(row.kept_regions) for row in kept)
    counts = Counter({"rows": len(run.rows), "pairs kept": len(kept), "samples": samples})
    order = {operator.name: number for number, operator in enumerate(run.operators)}

    def place(reason: str) -> int:
        return order.get(reason.partition(":")[0], -1)

    for reason in sorted((row.reason for row in run.rows if not row.ok), key=place):
        counts[f"rows, {reason}"] += 1
    regions = (r.reason for row in run.rows for r in row.regions if r.status != "ok")
    for reason in sorted(regions, key=place):
        counts[f"regions, {reason}"] += 1
    return counts


def _shifts(first: StoredRun, second: StoredRun) -> Table:
    """Quantiles of each score in the rows that both runs scored."""
    table = _table("score: 10 % / median / 90 %", first, second)
    table.add_column("rows", justify="right")
    others = {row.id: _scores(row) for row in second.rows}
    values: dict[str, tuple[list[float], list[float], set[str]]] = {}
    for row in first.rows:
        theirs = others.get(row.id, {})
        for name, mine in _scores(row).items():
            if name in theirs:
                left, right, ids = values.setdefault(name, ([], [], set()))
                left += mine
                right += theirs[name]
                ids.add(row.id)
    for name, (left, right, ids) in values.items():
        shift = float(np.median(right) - np.median(left))
        table.add_row(name, _quantiles(left), _quantiles(right), f"{shift:+.3f}", str(len(ids)))
    return table


def _scores(row: Row) -> dict[str, list[float]]:
    scores = {name: [value] for name, value in row.scores.items()}
    for region in row.regions:
        for name, value in region.scores.items():
            scores.setdefault(name, []).append(value)
    return scores


def _quantiles(values: list[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in np.quantile(values, [0.1, 0.5, 0.9]))


def _only_in(one: StoredRun, other: StoredRun) -> Iterator[str]:
    """Samples of rows that the other run does not keep or lacks, by what the other says of them."""
    theirs = {row.id: row for row in other.rows}
    missing: dict[str, list[str]] = {}
    for row in one.rows:
        for k, region in enumerate(row.regions if row.ok else ()):
            if region.status == "ok" and (why := _why_not(theirs.get(row.id), k, region.box_xyxy)):
                missing.setdefault(why, []).append(f"{row.id}-{k}")
    total = sum(map(len, missing.values()))
    yield f"{total} samples only in {one.path}" + (", where the other says:" if total else "")
    for why, ids in sorted(missing.items(), key=lambda item: -len(item[1])):
        more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
        yield f"  {len(ids)} {why} ({', '.join(ids[:SHOWN_IDS])}{more})"


def _why_not(row: Row | None, k: int, box: tuple[float, ...]) -> str:
    """Why a run has no sample of that region; empty if it has. Regions are the same if their
    number and box are."""
    if row is None:
        return "no such row"
    if k >= len(row.regions) or row.regions[k].box_xyxy != box:
        return row.reason or "no such area"
    return row.regions[k].reason or row.reason


def _table(what: str, first: StoredRun, second: StoredRun) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(what)
    for name in (str(first.path), str(second.path), "change"):
        table.add_column(name, justify="right")
    return table
