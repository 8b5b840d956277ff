"""Edits of captions by rules, for a person to mark: is the grammar broken, is the scene plausible?

    python benchmarks/edits.py FILE ... [--seed 7] [--count 200]                         # a sheet
    python benchmarks/edits.py FILE ... --seed 7 --broken 12,31 --implausible 4,9,150    # its marks
    python benchmarks/edits.py FILE ... --columns caption=text objects=labels

The sheet numbers its edits; all that are not named broken or implausible count as marked fine.
Marks are kept by a hash of both captions in `benchmarks/edits_marks.jsonl`, without a word of them,
so that a changed lexicon keeps the marks of edits that it makes as before. Coverage is the share of
all captions that can be edited: by each kind, and by any. Where a file has objects, the share of
their mentions that the lexicon does not know is told too.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from arguments import benchmark_parser, show_figures

from imgdiff.data.fields import INPUT_FIELDS
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find
from imgdiff.data.readers.base import ALIASES
from imgdiff.data.rows import Row
from imgdiff.text.caption_edits import EDITORS, CaptionEdit
from imgdiff.text.lexicon import Lexicon, load_lexicon

MARKS = Path(__file__).parent / "edits_marks.jsonl"
READ = ("caption_a", "objects")
COUNT = 200


class Edited(NamedTuple):
    """An edit on a sheet."""

    kind: str
    caption: str
    edit: CaptionEdit

    @property
    def id(self) -> str:
        text = f"{self.caption}\0{self.edit.caption}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def rows_of(names: list[str], columns: dict[str, str]) -> Iterator[Row]:
    """The captions of files, and what they show where that is said."""
    fields = {field: columns[alias] for field, alias in ALIASES.items() if alias in columns}
    fields |= {name: column for name, column in columns.items() if name in INPUT_FIELDS}
    demand = Demand(0, 0, frozenset(["caption_a"]), made=frozenset(INPUT_FIELDS) - {*READ})
    for name in names:
        source = Input(replace(find(name), columns=fields))
        yield from (row for row in source.part(0, len(source)).rows(demand) if row.ok)


def edits_of(caption: str, lexicon: Lexicon, seed: int) -> dict[str, CaptionEdit]:
    """By kind, those that can be made of a caption."""
    drawn = int.from_bytes(hashlib.sha256(caption.encode()).digest()[:4], "big")
    found = {
        kind: edit(caption, lexicon, np.random.default_rng([seed, drawn]))
        for kind, edit in EDITORS.items()
    }
    return {kind: edit for kind, edit in found.items() if edit is not None}


def drawn_sheet(captions: list[str], lexicon: Lexicon, seed: int, count: int) -> list[Edited]:
    """Captions in random order, each with one edit of a kind that it takes, the kinds alike."""
    rng = np.random.default_rng(seed)
    sheet: list[Edited] = []
    for place in rng.permutation(len(captions)):
        caption = captions[place]
        edits = edits_of(caption, lexicon, seed)
        if edits and len(sheet) < count:
            kind = str(rng.choice(list(edits)))
            sheet.append(Edited(kind, caption, edits[kind]))
    return sheet


def coverage(captions: list[str], lexicon: Lexicon) -> dict[str, float]:
    """Shares of the captions."""
    found = [edits_of(caption, lexicon, 0) for caption in captions]
    shares = {f"can_{kind}": np.mean([kind in edits for edits in found]) for kind in EDITORS}
    shares["can_be_edited"] = np.mean([bool(edits) for edits in found])
    return {name: float(share) for name, share in shares.items()}


def unknown_objects(rows: list[Row], lexicon: Lexicon) -> dict[str, float]:
    """The share of object mentions that the lexicon lacks; nothing where no objects are given."""
    named = [tuple(name.lower().split()) for row in rows for name in row.values.get("objects", ())]
    lacking = [words for words in named if lexicon.nouns.get(words) is None]
    return {"objects_unknown": len(lacking) / len(named)} if named else {}


def numbers(text: str) -> set[int]:
    return {int(part) for part in text.split(",") if part.strip()}


def read_marks() -> dict[str, dict[str, bool]]:
    """Edit -> what a person said of it."""
    lines = MARKS.read_text().splitlines() if MARKS.exists() else []
    return {mark.pop("edit"): mark for mark in map(json.loads, lines)}


def keep_marks(sheet: list[Edited], broken: set[int], implausible: set[int]) -> None:
    marks = read_marks()
    for number, each in enumerate(sheet, 1):
        marks[each.id] = {"grammar": number not in broken, "plausible": number not in implausible}
    lines = (json.dumps({"edit": name} | mark) for name, mark in sorted(marks.items()))
    MARKS.write_text("".join(f"{line}\n" for line in lines))


def judged(sheet: list[Edited]) -> dict[str, float]:
    """What the kept marks say of a sheet."""
    marks = read_marks()
    found = [marks[each.id] for each in sheet if each.id in marks]
    figures: dict[str, float] = {"edits": len(sheet), "marked": len(found)}
    if found:
        figures["broken_grammar"] = sum(not mark["grammar"] for mark in found) / len(found)
        figures["implausible"] = sum(not mark["plausible"] for mark in found) / len(found)
    return figures


def parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="captions, as for a recipe")
    parser.add_argument("--columns", nargs="*", default=[], metavar="field=column")
    parser.add_argument("--lexicon", default="english")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--broken", type=numbers, help="numbers of edits with broken grammar")
    parser.add_argument("--implausible", type=numbers, help="numbers of edits that make no sense")
    return parser.parse_args()


def main() -> None:
    given = parse()
    columns = dict(pair.split("=", 1) for pair in given.columns)
    lexicon, rows = load_lexicon(given.lexicon), list(rows_of(given.files, columns))
    captions = [row["caption_a"] for row in rows]
    sheet = drawn_sheet(captions, lexicon, given.seed, given.count)
    if given.broken is not None or given.implausible is not None:
        keep_marks(sheet, given.broken or set(), given.implausible or set())
    else:
        for number, each in enumerate(sheet, 1):
            change = f"{each.edit.source or '+'} -> {each.edit.target}"
            print(f"{number}\t{each.kind}\t{change}\n\t{each.caption}\n\t{each.edit.caption}")
    figures = judged(sheet) | coverage(captions, lexicon) | unknown_objects(rows, lexicon)
    show_figures("edits", figures, given.json)


if __name__ == "__main__":
    main()
