"""`imgdiff lexicon FILE`: how much of a caption file a lexicon knows."""

import argparse
import sys
from collections.abc import Sequence

from imgdiff.cli import verb_parser
from imgdiff.console.progress import make_console
from imgdiff.data.fields import INPUT_FIELDS
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find
from imgdiff.errors import COMPLETE
from imgdiff.text.coverage import measure_coverage, print_coverage
from imgdiff.text.lexicon import DEFAULT_LEXICON, LEXICON_NAMES, load_lexicon

NOT_CAPTIONS = frozenset(INPUT_FIELDS) - {"caption_a"}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("lexicon")
    parser.add_argument("file", metavar="FILE", help="captions, as for a recipe")
    parser.add_argument("--lexicon", choices=LEXICON_NAMES, default=DEFAULT_LEXICON)
    parser.add_argument("--words", type=int, default=20, help="unknown words shown, default 20")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    demand = Demand(seed=0, max_pixels=0, needed=frozenset(("caption_a",)), made=NOT_CAPTIONS)
    source = Input(find(given.file))
    rows = source.part(0, len(source)).rows(demand)
    unread = [row for row in rows if not row.ok]
    if unread:
        print(f"{len(unread)} of {len(rows)} rows not read: {unread[0].message}", file=sys.stderr)
    captions = (row["caption_a"] for row in rows if row.ok)
    print_coverage(
        make_console(), measure_coverage(captions, load_lexicon(given.lexicon)), given.words
    )
    return COMPLETE
