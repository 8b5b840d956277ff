"""`imgdiff run RECIPE [key=value ...]`, the same as `python -m imgdiff.run`."""

import argparse
import sys
from collections.abc import Sequence

from imgdiff.cli import add_recipe, add_trust, trust_of

RETRY = "--retry-failed"


def parse(arguments: Sequence[str] | None, prog: str = "imgdiff run") -> argparse.Namespace:
    """None: what the command line holds."""
    parser = argparse.ArgumentParser(prog=prog, description="Run a recipe, or resume its run.")
    settings = "limit=64 or process.1.num_inference_steps=20"
    add_recipe(parser, "recipes/replace.yaml", settings)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--restart", action="store_true", help="delete what the run folder holds and begin again"
    )
    again.add_argument(
        RETRY,
        metavar="REASON",
        help="run rows that failed once more; =REASON: those that failed so, as the report says",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="hash the files of complete shards, those too that look untouched",
    )
    add_trust(parser)
    words = sys.argv[1:] if arguments is None else arguments
    given = [f"{RETRY}=" if word == RETRY else word for word in words]  # no word after it is its
    return parser.parse_intermixed_args(given)  # options may stand between overrides


def call(given: argparse.Namespace) -> int:
    from imgdiff.run import run_or_plan
    from imgdiff.store.retry import Retry

    retry = None if given.retry_failed is None else Retry(given.retry_failed)
    return run_or_plan(
        given.recipe,
        given.overrides,
        given.dry_run,
        given.restart,
        retry,
        trust_of(given),
        given.verify,
    )
