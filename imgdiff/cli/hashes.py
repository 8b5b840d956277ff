"""`imgdiff hashes SOURCE --out FILE`: perceptual hashes of pictures, for `decontaminate:`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imgdiff.cli import verb_parser
from imgdiff.data.fields import INPUT_FIELDS, pictures
from imgdiff.data.files import read_regular
from imgdiff.data.images import load_rgb, perceptual_hash
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find
from imgdiff.data.readers.base import Address, InputError
from imgdiff.data.readers.folder import PICTURES
from imgdiff.errors import COMPLETE, RefusedError, RowError
from imgdiff.recipe.schema import Limits
from imgdiff.store.files import write_atomic

PART = 100  # rows in memory at once


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("hashes")
    parser.add_argument("source", help="a folder of pictures, or a dataset as for a recipe")
    parser.add_argument("--column", help="of the pictures; else image, image_a and image_b")
    parser.add_argument("--out", required=True, metavar="FILE", help="a line a picture: hash, name")
    return parser.parse_args(arguments)


def call(given: argparse.Namespace) -> int:
    lines, unread = [], []
    for name, found in _pictures(find(given.source), given.column):
        if isinstance(found, str):
            unread.append(found)
        else:
            lines.append(f"{perceptual_hash(found)} {name}\n")
    if not lines:
        raise RefusedError(
            f"{given.source} has no pictures" + "".join(f": {t}" for t in unread[:1])
        )
    write_atomic(Path(given.out), "".join(lines).encode())
    print(f"{given.out}: {len(lines):,} hashes")
    if unread:
        print(f"{len(unread):,} not read: {unread[0]}", file=sys.stderr)
    return COMPLETE


def _pictures(address: Address, column: str | None) -> Iterator[tuple[str, Any]]:
    """The name of each picture with its pixels, or with what is wrong with it."""
    place = address.place
    if place is not None and place.is_dir() and (files := sorted(_files(place))):
        for path in files:
            name = str(path.relative_to(place))
            try:
                image = {"bytes": read_regular(path), "path": name}
                yield name, load_rgb(image, Limits().max_pixels)
            except (RowError, OSError) as error:
                yield name, str(error)
        return
    columns = {"image_a": column} if column else {}
    source = Input(Address(address.name, place, columns))
    views = pictures(INPUT_FIELDS)
    if not views & set(source.columns):
        raise InputError(f"{address.name} has no pictures. It has {', '.join(source.ignored)}.")
    demand = Demand(0, Limits().max_pixels, frozenset(), frozenset(INPUT_FIELDS) - views)
    for start in range(0, len(source), PART):
        for row in source.part(start, min(start + PART, len(source))).rows(demand):
            if row.status == "failed":
                yield row.id, row.message
            yield from ((row.id, load_rgb(row[name])) for name in sorted(views & row.values.keys()))


def _files(folder: Path) -> Iterator[Path]:
    """The pictures in a folder and in its folders."""
    for inner, _, names in os.walk(folder):
        for name in names:
            if name.rpartition(".")[2].lower() in PICTURES:
                yield Path(inner) / name
