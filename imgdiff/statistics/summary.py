"""A run in numbers: the plan before it, `report.json` and the table after it."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from imgdiff.data.input import Input
from imgdiff.engine.forecast import Forecast
from imgdiff.models.zoo import Endpoint
from imgdiff.recipe.plan import Plan
from imgdiff.store.duplicates import duplicates
from imgdiff.store.run_dir import RunDir
from imgdiff.store.run_info import RunInfo
from imgdiff.store.shard_files import together
from imgdiff.store.tally import Tally

IMAGE_BYTES = 3 * 1024 * 1024  # a picture of 1024 x 1024 pixels, were it not compressed at all


def build_report(folder: RunDir) -> dict[str, Any]:
    """What `report.json` holds, for a run whose shards are all complete. `mixed` names packages of
    which not all shards were made with one version."""
    counts, reasons = Counter[str](), Counter[str]()
    phases = [folder.manifests(number) for number in range(len(folder.info.phases))]
    for manifest in phases[-1]:
        counts.update(manifest["counts"])
        reasons.update(manifest["reasons"])
    tallies = {each.name: Tally(each.name) for each in folder.info.operators}
    for manifest in (manifest for manifests in phases for manifest in manifests):
        for tally in manifest["operators"]:
            tallies[tally["name"]].add(tally)
    seconds = [sum(manifest["seconds"] for manifest in manifests) for manifests in phases]
    versions = together(each.get("versions", {}) for manifests in phases for each in manifests)
    endings = {status: counts[status] for status in ("ok", "rejected", "failed")}
    return {
        "rows": {"total": folder.row_count, **endings},
        "reasons": dict(reasons.most_common()),
        "operators": [vars(tally) for tally in tallies.values()],
        "phases": [
            {"name": phase.name, "seconds": took}
            for phase, took in zip(folder.info.phases, seconds, strict=True)
        ],
        "samples": sum(manifest["samples"] for manifest in phases[-1]),
        "seconds": sum(seconds),
        "mixed": {name: each for name, each in versions.items() if len(each) > 1},
        "duplicates": duplicates(phases[0]),
        "shards_sha256": folder.digest,
    }


def hints(info: RunInfo, report: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for every filter that let nothing through."""
    for operator, tally in zip(info.operators, report["operators"], strict=True):
        kind, what = ("regions", "areas") if operator.region_scores else ("rows", "pairs")
        count, kept = tally[f"{kind}_in"], tally["regions_kept" if kind == "regions" else "rows_ok"]
        thresholds = operator.thresholds
        spans = {
            name: f"{low:.2f} to {high:.2f}, wanted {_range(*thresholds[name])}"
            for name, (low, high) in tally["scores"].items()
            if name in thresholds
        }
        if spans and count and not kept:
            several = len(spans) > 1
            text = "; ".join(f"{k if several else 'scores'} {span}" for k, span in spans.items())
            yield f"0 of {count} {what} passed {operator.name} ({text})"


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at most {high:.2f}" if low is None else f"at least {low:.2f}"
    return f"{low:.2f} to {high:.2f}"


def print_plan(console: Console, plan: Plan, source: Input, info: RunInfo) -> None:
    """What a run would do: phases, operators and their fields, models, rows, disk."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("phase", "operator", "reads", "writes", "models"):
        table.add_column(name, no_wrap=name in ("phase", "operator"))
    for phase in plan.phases:
        for number, each in enumerate(phase.operators):
            cells = (", ".join(names) for names in (each.reads, each.writes, each.roles))
            table.add_row("" if number else phase.name, each.name, *cells)
    console.print(table)
    lines = [f"model {role}: {checkpoint.name}" for role, checkpoint in plan.models.items()]
    lines += [each.key_note for each in plan.models.values() if isinstance(each, Endpoint)]
    recipe = plan.recipe
    rows = min(len(source), recipe.limit or len(source))
    shards = -(-rows // recipe.shard_rows)
    lines.append(f"{rows} rows of {source.path} in {shards} shards of {recipe.shard_rows}")
    columns = [column for phase in info.phases for column in phase.columns]
    images = sum(column.startswith("image") for column in columns)
    lines.append(f"{recipe.export_path}: {_disk(Path(recipe.export_path), rows * images)}")
    for line in lines:
        console.print(line, soft_wrap=True)


def print_forecast(console: Console, changed: Sequence[str], forecasts: Sequence[Forecast]) -> None:
    """What a start would use again of a run begun earlier, and what it would do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("phase", no_wrap=True)
    counts = ("shards reused", "decided again", "begun", "rows that end otherwise", "rows run")
    for name in counts:
        table.add_column(name, justify="right")
    for each in forecasts:
        numbers = (each.reused, each.decided, each.begun, each.changed, each.run)
        table.add_row(each.phase, *map(str, numbers))
    for line in changed:
        console.print(f"changed: {line}", soft_wrap=True)
    console.print(table)


def _disk(folder: Path, images: int) -> str:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    most = images * IMAGE_BYTES / 1e9
    return f"at most {most:.1f} GB at 1024 x 1024 pixels ({images} images), {free:.1f} GB free"


def print_summary(console: Console, report: Mapping[str, Any]) -> None:
    """Per operator: rows or regions in, kept, refused by reason, seconds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("operator", "of", "in", "kept"):
        table.add_column(name, justify="right" if name in ("in", "kept") else "left", no_wrap=True)
    table.add_column("refused")
    table.add_column("seconds", justify="right", no_wrap=True)
    rows = report["rows"]
    unread = {k: n for k, n in report["reasons"].items() if k.startswith("input: ")}
    left = rows["total"] - sum(unread.values())
    table.add_row("input", "rows", str(rows["total"]), str(left), _reasons(unread), "")
    for each in report["operators"]:
        ending = Counter(each["rejected"]) + Counter(each["failed"])
        kept = (str(each["rows_in"]), str(each["rows_ok"]), _reasons(ending))
        table.add_row(each["name"], "rows", *kept, f"{each['seconds']:.1f}")
        if each["regions_in"] or each["regions_kept"] or each["regions_refused"]:
            counts = (str(each["regions_in"]), str(each["regions_kept"]))
            table.add_row("", "regions", *counts, _reasons(each["regions_refused"]), "")
    console.print(table)
    endings = f"{rows['ok']} ok, {rows['rejected']} rejected, {rows['failed']} failed"
    totals = f"{report['samples']} samples; {report['seconds']:.0f} s"
    console.print(f"{rows['total']} rows: {endings}; {totals}", soft_wrap=True)


def _reasons(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {code.removeprefix('input: ')}" for code, count in ordered)
