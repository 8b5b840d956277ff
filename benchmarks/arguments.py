"""What the command lines of benchmarks have in common, and how figures are written."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table


def benchmark_parser(
    description: str | None, quick: str | None = None, write: str | None = None
) -> argparse.ArgumentParser:
    """A parser with `--json`, and with `--quick` and `--write` where their help is given.

    description: the docstring of the benchmark, shown as it is.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    if quick is not None:
        parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, flat")
    if write is not None:
        parser.add_argument("--write", type=Path, metavar="FILE", help=write)
    return parser


def write_figures(figures: Mapping[str, float], file: Path | None) -> None:
    """Write them as JSON, where a file is given."""
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


def show_figures(title: str, figures: Mapping[str, float], file: Path | None) -> None:
    """Print them as a table, and write them."""
    table = Table("figure", "value", title=title)
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)
    write_figures(figures, file)
