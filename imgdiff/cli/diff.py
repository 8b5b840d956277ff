"""`imgdiff diff RUN RUN`: how two runs differ."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE
from imgdiff.report.compare import compare


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("diff")
    parser.add_argument("runs", type=Path, nargs=2, metavar="RUN", help="a run folder")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    compare(*given.runs)
    return COMPLETE
