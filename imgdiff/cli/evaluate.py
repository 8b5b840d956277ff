"""`imgdiff evaluate {pope,chair,pairs,captions,ohd}`: questions to a model, answers, a table."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from imgdiff.cli import add_trust, trust_of, verb_parser
from imgdiff.console.progress import make_console
from imgdiff.errors import COMPLETE, RefusedError
from imgdiff.evaluation import by_answers, by_scores, pope
from imgdiff.evaluation.by_answers import ScoreTable
from imgdiff.text import prompts

MOST = 10**9  # of anything that is counted
WIDEST = 10_000  # columns: no table is as wide


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("evaluate")
    tests = parser.add_subparsers(required=True, metavar="TEST")

    test = tests.add_parser("pope", help="is there a cup in the image? yes or no")
    test.add_argument(
        "--questions", type=Path, nargs="+", help="published POPE files (.json lines)"
    )
    test.add_argument("--instances", type=Path, help="COCO instances or .jsonl, to build them from")
    test.add_argument(
        "--toyland", type=_count, metavar="N", help="built from N rendered test scenes"
    )
    test.add_argument("--setting", choices=pope.SETTINGS, help="one of them (default: all three)")
    test.add_argument("--count", type=_count, default=500, help="images, where questions are built")
    test.add_argument("--parser", choices=pope.PARSERS, default="official", help="how yes is read")
    _add_common(test, max_new_tokens=16)
    test.set_defaults(test=by_answers.pope_scores)

    test = tests.add_parser("chair", help="what captions mention that is not there")
    test.add_argument("--instances", type=Path, help="COCO instances or .jsonl")
    test.add_argument("--captions", type=Path, help="COCO captions, which count as truth too")
    test.add_argument("--toyland", type=_count, metavar="N", help="N rendered test scenes")
    test.add_argument("--vocabulary", help="coco, toyland, or a file (default: by the images)")
    test.add_argument("--prompt", default=prompts.SCENE)
    _add_common(test, max_new_tokens=64)
    test.set_defaults(test=by_answers.chair_scores)

    test = tests.add_parser("pairs", help="MMVP's rule: both questions of a pair right")
    test.add_argument("--questions", type=Path, help="MMVP's Questions.csv")
    test.add_argument("--toyland", type=_count, metavar="N", help="N rendered pairs")
    _add_common(test, max_new_tokens=32)
    test.set_defaults(test=by_answers.pairs_scores)

    test = tests.add_parser("captions", help="BLEU-4, ROUGE-L and CIDEr-D against references")
    test.add_argument(
        "--references",
        type=Path,
        required=True,
        help='.jsonl: {"id", "image", "references": [...]} a line, perhaps with a "question"',
    )
    test.add_argument("--prompt", default=prompts.SCENE, help="where a line has no question")
    _add_common(test, max_new_tokens=64)
    test.set_defaults(test=by_answers.captions_scores)

    test = tests.add_parser("ohd", help="an image's own caption against hard negatives (OHD-Caps)")
    _add_ohd(test)
    test.set_defaults(test=by_scores.ohd_scores)
    given = parser.parse_args(arguments)
    given.trust = trust_of(given)
    return given


def _add_common(test: argparse.ArgumentParser, max_new_tokens: int) -> None:
    test.add_argument(
        "--model",
        help="folder, Hub name, embedded, or an endpoint as {base_url: ..., model: ...}; "
        "not needed where --answers holds all",
    )
    test.add_argument("--images", type=Path, help="folder of the images")
    test.add_argument("--limit", type=_count, help="the first images, or pairs, only")
    test.add_argument(
        "--answers", type=Path, help="answers are kept in this .jsonl, and not asked for twice"
    )
    test.add_argument("--batch-size", type=_count, default=16)
    test.add_argument("--max-new-tokens", type=_count, default=max_new_tokens)
    test.add_argument("--json", type=Path, help="write the figures there too")
    add_trust(test, files=False)


def _add_ohd(test: argparse.ArgumentParser) -> None:
    test.add_argument(
        "--model",
        required=True,
        help="folder or Hub name of a CLIP, SigLIP or BLIP; embedded (the CLIP), embedded-matcher, "
        "or fields of a checkpoint as {name: ..., dtype: float16}",
    )
    test.add_argument("--questions", type=Path, help="a released file (COCO_out_label.json)")
    test.add_argument("--images", type=Path, help="folder of its images")
    test.add_argument("--run", type=Path, help="a run of recipes/ohd_negatives.yaml, or its data/")
    test.add_argument("--toyland", type=_count, metavar="N", help="N rendered test scenes")
    test.add_argument(
        "--zero-shot",
        type=Path,
        nargs="?",
        const=by_scores.CROPS,
        metavar="FOLDER",
        help="classify, too: a folder of class folders; crops of rendered scenes without one",
    )
    test.add_argument(
        "--limit", type=_count, help="the first rows only; of a folder, of each class"
    )
    test.add_argument("--batch-size", type=_count, default=16, help="images at once")
    test.add_argument("--json", type=Path, help="write the figures there too")
    add_trust(test, keys=False, files=False)


def _count(text: str) -> int:
    number = int(text)  # argparse says what it is not
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]} is not 1 to {MOST:,}")
    return number


def call(given: argparse.Namespace) -> int:
    """Do the test that was asked for, and print its table."""
    try:
        return _scored(given)
    except OSError as error:
        if error.filename is None:
            raise
        raise RefusedError(f"{error.filename}: {error.strerror}") from None


def _scored(given: argparse.Namespace) -> int:
    """
    Raises:
        OSError: a file that is named cannot be read or written.
    """
    scores: ScoreTable = given.test(given)
    if not scores:
        raise RefusedError("there is nothing to score: no questions, or none that were chosen")
    _print(make_console(), scores)
    if given.json:
        content = {
            row: {name: asdict(value) for name, value in each.items()}
            for row, each in scores.items()
        }
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    return COMPLETE


def _print(console: Console, scores: ScoreTable) -> None:
    """A row for each part and a column for each metric, with 95 % intervals; where the screen is
    too narrow for that, a line for each metric of each part."""
    names = list(next(iter(scores.values())))
    items = [str(next(iter(each.values())).items) for each in scores.values()]
    cells = [list(map(str, each.values())) for each in scores.values()]
    table = _table(["", *names, "items"])
    for row, values, count in zip(scores, cells, items, strict=True):
        table.add_row(row, *values, count)
    unbounded = console.options.update(max_width=WIDEST)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = _table(["", "metric", "value", "items"])
        for row, values, count in zip(scores, cells, items, strict=True):
            for n, (name, value) in enumerate(zip(names, values, strict=True)):
                table.add_row("" if n else row, name, value, "" if n else count)
    console.print(table)
    console.print("in brackets: 95 % intervals, by bootstrap")


def _table(columns: Sequence[str]) -> Table:
    """An empty one, of which no cell is broken into lines."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        left = column in ("", "metric")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table
