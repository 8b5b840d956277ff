"""`imgdiff export RUN_FOLDER --format FORMAT`: a finished run in other formats."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.console.progress import make_console
from imgdiff.errors import COMPLETE, STOPPED, RefusedError
from imgdiff.export.formats import FORMATS, export, print_exports
from imgdiff.recipe.schema import LARGEST_VALIDATION
from imgdiff.recipe.source import did_you_mean
from imgdiff.statistics.summary import build_report
from imgdiff.store.run_dir import open_complete


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("export")
    parser.add_argument("run", metavar="RUN_FOLDER")
    parser.add_argument(
        "--format", action="append", required=True, metavar="FORMAT", help=", ".join(FORMATS)
    )
    parser.add_argument(
        "--output", metavar="DIR", help="a folder for the formats' folders; else RUN_FOLDER/export"
    )
    parser.add_argument(
        "--validation-fraction",
        type=float,
        metavar="F",
        help="of the source captions; else as the recipe says",
    )
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    path, console = Path(given.run), make_console()
    try:
        _refuse_arguments(given)
        folder = open_complete(path)
        folder.report = build_report(folder)
        fraction = given.validation_fraction
        if fraction is None:
            fraction = folder.info.validation_fraction
        output = Path(given.output) if given.output else path / "export"
        exports = [
            export(folder, name, output / name, fraction, console)
            for name in dict.fromkeys(given.format)
        ]
    except OSError as error:
        print(f"stopped: {error.filename or path}: {error.strerror}", file=sys.stderr)
        return STOPPED
    print_exports(console, exports)
    return COMPLETE


def _refuse_arguments(given: argparse.Namespace) -> None:
    for name in given.format:
        if name not in FORMATS:
            text = f"{name} is not one of {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}"
            raise RefusedError(f"--format: {text}")
    fraction = given.validation_fraction
    if fraction is not None and not 0 <= fraction <= LARGEST_VALIDATION:
        raise RefusedError(f"--validation-fraction: {fraction} is not 0 to {LARGEST_VALIDATION}")
