"""`imgdiff push RUN_FOLDER OWNER/NAME`: the dataset of a finished run to the Hub."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError
from imgdiff.recipe.schema import hub_name
from imgdiff.run import push
from imgdiff.store.run_dir import open_finished


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("push")
    parser.add_argument("folder", metavar="RUN_FOLDER")
    parser.add_argument("repo", metavar="OWNER/NAME", help="made if it is not there")
    parser.add_argument("--private", action="store_true", help="only its owner may see it")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    try:
        repo = hub_name(given.repo)
    except ValueError as problem:
        raise RefusedError(str(problem)) from None
    with open_finished(Path(given.folder)) as folder:
        return push(make_console(), folder, repo, given.private)
