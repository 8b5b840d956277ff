"""`imgdiff rehearse RECIPE [key=value ...]`: every step of a recipe on miniatures, on a CPU."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import add_trust, trust_of, verb_parser
from imgdiff.errors import COMPLETE, TOO_MANY_FAILED


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("rehearse")
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for run")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="for the miniatures and what the run writes"
    )
    add_trust(parser)
    return parser.parse_intermixed_args(arguments)


def call(given: argparse.Namespace) -> int:
    """Rehearse; what it leaves is deleted, unless it is to be kept."""
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        return _rehearse(given, given.keep)
    with tempfile.TemporaryDirectory(prefix="imgdiff-rehearsal-") as folder:
        return _rehearse(given, Path(folder))


def _rehearse(given: argparse.Namespace, folder: Path) -> int:
    from imgdiff.console.progress import make_console
    from imgdiff.engine.description import describe
    from imgdiff.recipe.check import check
    from imgdiff.rehearsal.rehearse import prepare, refused_by
    from imgdiff.run import execute
    from imgdiff.store.run_dir import open_run

    console = make_console()
    plan = check(given.recipe, given.overrides, trust_of(given))
    console.print("making miniatures of the models: real configs, few layers, random weights")
    rehearsal = prepare(plan, folder)
    plan, source = rehearsal.plan, rehearsal.source
    info = describe(plan, source)
    with open_run(Path(plan.recipe.export_path), info, restart=True) as run:
        execute(console, plan, source, run)
        failed = run.report["rows"]["failed"]
        reasons = {why: count for why, count in run.report["reasons"].items() if count}
    for why, count in refused_by(plan).items():
        console.print(f"{count} rows would have ended as {why}; they went on with a stand-in")
    if failed:
        console.print(f"{failed} rows failed: {', '.join(reasons)}", style="red")
        return TOO_MANY_FAILED
    console.print(f"{given.recipe}: every step works", style="bold")
    return COMPLETE
