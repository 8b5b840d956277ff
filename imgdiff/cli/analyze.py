"""`imgdiff analyze RUN`: what each threshold of a run keeps."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE
from imgdiff.report.analysis import analyze


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("analyze")
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run folder, for example outputs/replace"
    )
    parser.add_argument(
        "--review", type=Path, metavar="FILE", help="ratings saved from the report page"
    )
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    analyze(given.run, given.review)
    return COMPLETE
