"""`imgdiff run RECIPE [key=value ...]`, the same as `python -m imgdiff.run`."""

import argparse
from collections.abc import Sequence

from imgdiff.cli import add_recipe


def parse(arguments: Sequence[str] | None, prog: str = "imgdiff run") -> argparse.Namespace:
    """None: what the command line holds."""
    parser = argparse.ArgumentParser(prog=prog, description="Run a recipe, or resume its run.")
    settings = "limit=64 or process.1.num_inference_steps=20"
    add_recipe(parser, "recipes/replace.yaml", settings)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument(
        "--restart", action="store_true", help="delete what the run folder holds and begin again"
    )
    return parser.parse_intermixed_args(arguments)  # options may stand between overrides


def call(given: argparse.Namespace) -> int:
    from imgdiff.run import run_recipe

    return run_recipe(given.recipe, given.overrides, dry_run=given.dry_run, restart=given.restart)
