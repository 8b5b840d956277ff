"""`imgdiff operators [NAME]`: what operators there are, and all about one."""

import argparse
import sys
from collections.abc import Sequence

from imgdiff.cli import verb_parser
from imgdiff.errors import COMPLETE, REFUSED
from imgdiff.operator import registry
from imgdiff.operator_listing import described
from imgdiff.recipe import did_you_mean


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("operators")
    parser.add_argument("name", nargs="?", help="one operator only")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    """Describe one operator, or all."""
    known = registry()
    if given.name and given.name not in known:
        hint = did_you_mean(given.name, known)
        print(f"{given.name}: unknown operator.{hint}", file=sys.stderr)
        return REFUSED
    names = [given.name] if given.name else sorted(known)
    print("\n\n".join(described(known[name]) for name in names))
    return COMPLETE
