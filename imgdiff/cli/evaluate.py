"""`imgdiff evaluate {pope,chair,pairs,captions,ohd}`: questions to a model, answers, a table."""

import argparse
from collections.abc import Sequence

from imgdiff.cli import verb_parser
from imgdiff.evaluation import command


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("evaluate")
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    return command.run(given)
