"""`imgdiff calibrate RUN`: limits of filters for a wished precision, from some 60 ratings."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE, RefusedError
from imgdiff.report.calibration import choose_limits
from imgdiff.report.rating import LEAST_SAMPLES, choose_pairs

PAIRS, MOST_PAIRS = 60, 1000
PRECISION = 0.9


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("calibrate")
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run folder, for example outputs/replace"
    )
    parser.add_argument("--pairs", type=int, metavar="N", help=f"to be rated (default: {PAIRS})")
    parser.add_argument(
        "--ratings", type=Path, metavar="FILE", help="review.json, saved from the page"
    )
    parser.add_argument(
        "--precision",
        type=float,
        metavar="P",
        default=PRECISION,
        help=f"share of right samples that is wished (default: {PRECISION})",
    )
    parser.add_argument(
        "--right",
        choices=("high", "medium"),
        default="high",
        help="the grade from which on an answer is right (default: high)",
    )
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    """Choose the pairs; with ratings, the limits."""
    _refuse_arguments(given)
    if given.ratings:
        choose_limits(given.run, given.ratings, given.precision, given.right)
    else:
        choose_pairs(given.run, given.pairs or PAIRS)
    return COMPLETE


def _refuse_arguments(given: argparse.Namespace) -> None:
    if given.pairs is not None and given.ratings:
        raise RefusedError("--pairs: pairs are chosen before they are rated, without --ratings")
    if given.pairs is not None and not LEAST_SAMPLES <= given.pairs <= MOST_PAIRS:
        raise RefusedError(f"--pairs: {given.pairs} is not {LEAST_SAMPLES} to {MOST_PAIRS}")
    if not 0 < given.precision < 1:
        raise RefusedError(f"--precision: {given.precision:g} is not between 0 and 1")
