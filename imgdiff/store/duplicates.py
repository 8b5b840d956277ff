"""Pairs with the same two pictures, known by a hash of their files as they are stored."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgdiff.data.rows import Row

PAIR = ("image_a", "image_b")
DIGITS = 16  # of a hash
MOST_SHOWN = 100  # groups, and pairs of one


def pair_digests(rows: Iterable[Row]) -> dict[str, str]:
    """Id -> hash of both pictures, of rows that have both."""
    found = {}
    for row in rows:
        if all(row.values.get(name) for name in PAIR):
            parts = [hashlib.sha256(row[name]["bytes"]).digest() for name in PAIR]
            found[row.id] = hashlib.sha256(b"".join(parts)).hexdigest()[:DIGITS]
    return found


def duplicates(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many groups of pairs have the same pictures, and the ids of the first ones."""
    ids: dict[str, list[str]] = {}
    for manifest in manifests:
        for id_, digest in manifest.get("pairs", {}).items():
            ids.setdefault(digest, []).append(id_)
    groups = [each for each in ids.values() if len(each) > 1]
    return {"groups": len(groups), "ids": [each[:MOST_SHOWN] for each in groups[:MOST_SHOWN]]}


def told(found: Mapping[str, Any], most: int) -> str:
    """In a sentence, `most` groups by name; empty if there are none."""
    groups: Sequence[Sequence[str]] = found.get("ids", ())
    if not groups:
        return ""
    named = "; ".join(" = ".join(each[:most]) for each in groups[:most])
    more = found["groups"] - most
    return f"pairs with the same pictures: {named}" + (f"; and {more} more" if more > 0 else "")
