"""The dataset card: the README.md that tells people, `datasets` and the Hub what a folder holds."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from imgdiff.data.fields import pictures
from imgdiff.data.rows import Row
from imgdiff.export import FinishedRun
from imgdiff.export.licences import OWN, licence_of
from imgdiff.export.pictures import EXAMPLES
from imgdiff.export.split import SIDES
from imgdiff.export.tables import Table, public_name
from imgdiff.store.run_info import RunInfo
from imgdiff.text.shortening import shortened

FOLDER = "path/to/this/folder"  # in the code that loads it; a push puts its own name there
PRIVATE_SETTINGS = ("export_path", "executor_type", "ray_address", "phases", "export")
SIZES = {  # below this many rows -> the Hub's name for the size
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
    100_000_000: "10M<n<100M",
}
MARKUP = re.compile(r"([\\`*_{}\[\]#|~])")


def write_card(path: Path, run: FinishedRun, *, kept: bool, tables: Sequence[Table]) -> None:
    """Write the card of `data/` (kept) or of `dropped/`. `tables` are the ones that hold rows."""
    counts = run.report["rows"]
    configs = [config(path.parent, table.config) for table in tables]
    head = _head(run, configs, counts["ok"] if kept else counts["rejected"] + counts["failed"])
    card = _template().render(
        head=yaml.safe_dump(head, sort_keys=False, allow_unicode=True),
        info=run.info,
        report=run.report,
        recipe=yaml.safe_dump(public(_shown(run.info)), sort_keys=False, allow_unicode=True),
        unread=_unread(run.report["reasons"]),
        models=list(_models(run.info)),
        licence=run.info.licence,
        folder=FOLDER,
        pictures=[path.name for path in (path.parent / "card").glob("*.png")],
        kept=kept,
        tables=tables,
        held_back=any(path.parent.glob("*/validation-*.parquet")),
        examples=list(islice(_kept_rows(run), EXAMPLES)) if kept else [],
    )
    path.write_text(card, encoding="utf-8")


@cache  # compiled once: every run writes two cards
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "plain": plain_markdown,
        "limits": limits,
        "public_name": public_name,
        "counts": counts_in_words,
    }
    return environment.get_template("card.md.jinja")


def plain_markdown(text: object) -> str:
    """Text that Markdown shows as it is, on one line, its beginning if it is long: captions are
    model output, untrusted."""
    line = shortened(" ".join(str(text).split()))
    return MARKUP.sub(r"\\\1", escape(line, quote=False))


def limits(bounds: Sequence[float | None]) -> str:
    """`0.9 to 0.98`, `at least 0.4`, `at most 0.85`."""
    low, high = bounds
    if low is None:
        return "any" if high is None else f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def counts_in_words(counts: Mapping[str, int]) -> str:
    """`12 pair_too_similar, 3 image_flat`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {code}" for code, count in ordered)


def _models(info: RunInfo) -> Iterator[dict[str, Any]]:
    """A line for each role: its model's name, whether it ships with imgdiff, and its licence."""
    setting = info.recipe.get("models")
    for role, model in info.models.items():
        embedded = "embedded" in (setting, setting.get(role) if isinstance(setting, dict) else None)
        licence = OWN if embedded else licence_of(model.name)
        name = f"embedded {role}" if embedded else public_name(model.name)
        shown = {"role": role, "name": name, "embedded": embedded, "licence": licence}
        yield asdict(model) | shown


def _unread(reasons: Mapping[str, int]) -> dict[str, int]:
    """Rows that ended before the first operator, by code."""
    whole = {reason: count for reason, count in reasons.items() if reason.startswith("input: ")}
    return {reason.removeprefix("input: "): count for reason, count in whole.items()}


def public(value: Any) -> Any:
    """Settings as anybody may read them: of absolute paths only the last part."""
    if isinstance(value, dict):
        return {key: public(each) for key, each in value.items()}
    if isinstance(value, list):
        return [public(each) for each in value]
    return public_name(value) if isinstance(value, str) else value


def _shown(info: RunInfo) -> dict[str, Any]:
    """The recipe without what only says where it ran."""
    return {key: each for key, each in info.recipe.items() if key not in PRIVATE_SETTINGS}


def config(folder: Path, name: str) -> dict[str, Any]:
    """How `datasets` finds the parquet files in `folder/name`, by split if their names have one.

    What it has loaded it finds again by these words and the folder's last name alone, so that one
    run's `data` would pass for another's: the description tells them apart by their content.
    """
    digest = hashlib.sha256()
    for file in sorted((folder / name).glob("*.parquet")):
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    patterns = {side: f"{name}/{side}-*.parquet" for side in SIDES}
    splits = [{"split": s, "path": p} for s, p in patterns.items() if any(folder.glob(p))]
    return {
        "config_name": name,
        "data_files": splits or f"{name}/*.parquet",
        "description": f"sha256 {digest.hexdigest()[:16]}",
    }


def _head(run: FinishedRun, configs: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    """What the Hub and `datasets` read. Where nobody has chosen a licence, the card says so."""
    if configs:
        configs[0]["default"] = True
    return {
        "pretty_name": run.info.project_name,
        "license": run.info.licence or "unknown",
        "size_categories": [
            next((name for limit, name in SIZES.items() if rows < limit), "n>100M")
        ],
        "task_categories": ["image-text-to-text", "visual-question-answering"],
        "annotations_creators": ["machine-generated"],
        "tags": ["image-difference", "image-pairs", "synthetic", "imgdiff"],
        "configs": configs,
    }


def _kept_rows(run: FinishedRun) -> Iterator[Row]:
    unread = pictures(run.info.known_fields)
    return (row for shard in range(run.shard_count) for row in run.rows(shard, unread) if row.ok)
