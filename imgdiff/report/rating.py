"""Pairs that a person rates, so that limits can be told: their choice, and the page that asks."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError
from imgdiff.report.gallery import Card, card_of_row
from imgdiff.report.rendering import render_page
from imgdiff.report.review import RUBRICS
from imgdiff.statistics.choice import choose
from imgdiff.statistics.dial import stored_run
from imgdiff.statistics.scored import ScoredSample, ScoredSamples, opened, scored_samples
from imgdiff.store.files import read_json, to_json, write_atomic
from imgdiff.store.run_dir import RunDir, open_complete

FOLDER_OF_RATING = "calibration"  # in the run folder
CHOICE, PAGE_TO_RATE, OPEN = "pairs.json", "rate.html", "open.txt"
LEAST_SAMPLES = 20  # fewer tell nothing
SIDE_TO_RATE = 512  # pixels of a picture's longer side, at most


@dataclass(frozen=True)
class ScoredRun:
    """A finished run with its samples. open_limits: its limits, each as loose as it may be."""

    folder: RunDir
    rows: list[str]  # ids, in order
    samples: ScoredSamples
    open_limits: dict[str, float]

    @property
    def place(self) -> Path:
        return self.folder.path / FOLDER_OF_RATING

    @property
    def is_open(self) -> bool:
        return all(limit.now == self.open_limits[limit.name] for limit in self.samples.limits)


def scored_run(path: Path) -> ScoredRun:
    """Read a run's scores.

    Raises:
        RefusedError: it is no finished run, or no filter of it has a limit to calibrate.
    """
    folder = open_complete(path)
    run = stored_run(folder)
    samples = scored_samples(run.operators, run.rows)
    if not samples.limits:
        text = "no filter of this run has a limit that ratings of samples could tell"
        raise RefusedError(f"{path}: {text}")
    limits = opened(run.operators, samples.limits)
    return ScoredRun(folder, [row.id for row in run.rows], samples, limits)


def choose_pairs(path: Path, count: int) -> None:
    """Choose pairs of a finished run, write the page on which they are rated, and print what to do
    next.

    Raises:
        RefusedError: it is no finished run, or has too little that could be rated.
    """
    run = scored_run(path)
    opening = "" if run.is_open else _write_opening(run)
    if len(run.samples) < LEAST_SAMPLES:
        text = f"{path} keeps {len(run.samples)} samples, expected at least {LEAST_SAMPLES}"
        raise RefusedError(f"{text}. {opening or 'Run more rows.'}")
    weights = choose(run.samples, count)
    chosen = [sample for sample in run.samples.samples if sample.id in weights]
    questions = _questions(chosen)
    content = {
        "run": run.folder.info.project_name,
        "shards_sha256": run.folder.digest,
        "questions": questions,
        "samples": {sample.id: weights[sample.id] for sample in chosen},
    }
    run.place.mkdir(exist_ok=True)
    write_atomic(run.place / PAGE_TO_RATE, _page(run, chosen, questions))
    write_atomic(run.place / CHOICE, to_json(content))
    done = f"imgdiff calibrate {path} --ratings review.json --precision 0.9"
    lines = [
        f"{len(chosen)} of {len(run.samples)} samples are chosen, each of another pair.",
        f"Open {run.place / PAGE_TO_RATE}, rate them, save review.json, and run: {done}",
    ]
    if opening:
        lines.insert(1, f"What its limits refused is not among them. {opening}")
    for line in lines:
        make_console().print(line, soft_wrap=True)


def _write_opening(run: ScoredRun) -> str:
    """Write the limits as loose as they may be; returns what to do with them."""
    run.place.mkdir(exist_ok=True)
    heading = f"The limits of {run.folder.path}, as loose as they may be"
    write_atomic(run.place / OPEN, overrides_text(heading, run.open_limits))
    return f"To let everything be rated, run its recipe again with @{run.place / OPEN} first."


def read_choice(run: ScoredRun) -> dict[str, Any]:
    """What `choose_pairs` wrote.

    Raises:
        RefusedError: it wrote nothing, or the run has been run again since then.
    """
    path = run.folder.path
    choice = read_json(run.place / CHOICE)
    if choice is None:
        raise RefusedError(f"{path}: no pairs are chosen yet. Run: imgdiff calibrate {path}")
    if choice["shards_sha256"] != run.folder.digest:
        text = "it has been run again since its pairs were chosen"
        raise RefusedError(f"{path}: {text}. Choose and rate anew: imgdiff calibrate {path}")
    return choice


def overrides_text(heading: str, settings: Mapping[str, float | str]) -> bytes:
    """Lines that a recipe is run with, as `@FILE`."""
    lines = [f"{name}={yaml.safe_dump(value).splitlines()[0]}" for name, value in settings.items()]
    return "\n".join([*(f"# {line}" for line in heading.splitlines()), *lines, ""]).encode()


def _questions(chosen: list[ScoredSample]) -> list[str]:
    """Those of the review that can be answered: no caption is asked about where there is none."""
    regions = [sample.region for sample in chosen]
    asked = {
        "content": any(region.caption_a or region.caption_b for region in regions),
        "difference": any(region.difference for region in regions),
    }
    return [question for question in RUBRICS if asked.get(question, True)]


def _page(run: ScoredRun, chosen: list[ScoredSample], questions: list[str]) -> bytes:
    """In no order of scores, and without them: who rates should not be led."""
    cards = sorted(
        _cards(run, chosen), key=lambda card: hashlib.sha256(card.name.encode()).digest()
    )
    return render_page(
        "rating.html.jinja",
        ("page.css", "review.css"),
        ("keys.js", "filters.js", "review.js"),
        info=run.folder.info,
        verdicts=lambda region: [],  # scores would lead the one who rates
        cards=cards,
        samples=len(run.samples),
        questions=questions,
    )


def _cards(run: ScoredRun, chosen: list[ScoredSample]) -> Iterator[Card]:
    numbers = {sample.row.id: sample.number for sample in chosen}
    for shard in range(run.folder.shard_count):
        start, stop = run.folder.span(shard)
        if numbers.keys() & set(run.rows[start:stop]):
            for row in run.folder.rows(shard):
                if row.id in numbers:
                    yield card_of_row(shard, row, [numbers[row.id]], SIDE_TO_RATE, own=False)
