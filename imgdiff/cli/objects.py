"""`imgdiff objects FILE`: the objects of an input, for object_negatives_mapper."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imgdiff.cli import verb_parser
from imgdiff.console.progress import make_console
from imgdiff.data.input import Input
from imgdiff.data.readers import find
from imgdiff.engine.survey import surveyed_rows
from imgdiff.errors import COMPLETE
from imgdiff.store.files import to_json, write_atomic
from imgdiff.text.lexicon import DEFAULT_LEXICON, LEXICON_NAMES, load_lexicon
from imgdiff.text.objects import ObjectStatistics, known_objects, print_objects


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("objects")
    parser.add_argument("file", help="rows with objects, or with captions that name some")
    parser.add_argument("--lexicon", choices=LEXICON_NAMES, default=DEFAULT_LEXICON)
    parser.add_argument("--most", type=int, default=20, help="objects shown, default 20")
    parser.add_argument("--json", metavar="FILE", help="for object_negatives_mapper: statistics")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    lexicon, source = load_lexicon(given.lexicon), Input(find(given.file))
    shown = [
        known_objects(row.values.get("objects"), row.values.get("caption_a", ""), lexicon)
        for row in surveyed_rows(source)
    ]
    counted = ObjectStatistics.count(shown, lexicon)
    print_objects(make_console(), counted, given.most)
    if given.json:
        write_atomic(Path(given.json), to_json(counted.as_json()))
    return COMPLETE
