"""`imgdiff doctor RECIPE [key=value ...]`: can this machine run it, and what will it take?"""

import argparse
from collections.abc import Sequence

from imgdiff.cli import add_trust, trust_of, verb_parser
from imgdiff.errors import COMPLETE, REFUSED


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("doctor")
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for run")
    add_trust(parser)
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    """Print what was found; a recipe that would fail is refused."""
    from imgdiff.console.progress import make_console
    from imgdiff.doctor.examination import examine
    from imgdiff.models.machine import gpus
    from imgdiff.recipe.check import check

    console = make_console()
    plan = check(given.recipe, given.overrides, trust_of(given))
    found = examine(plan, gpus())
    for section in found.sections:
        console.print(section.title, style="bold")
        for finding in section.findings:
            mark = "wrong: " if finding.is_wrong else "unknown: " if finding.is_open else ""
            style = "red" if finding.is_wrong or finding.is_open else None
            console.print(f"  {mark}{finding.text}", style=style, soft_wrap=True)
    for line in plan.advice:
        console.print(line, soft_wrap=True)
    if any(finding.is_wrong or finding.is_open for finding in found.findings):
        console.print(f"{given.recipe}: would not run to its end", style="bold")
        return REFUSED
    console.print(f"{given.recipe}: fine", style="bold")
    return COMPLETE
