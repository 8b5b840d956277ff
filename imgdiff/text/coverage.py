"""How much of a caption file a lexicon knows, in a table."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table

from imgdiff.text.caption_edits import EDITORS
from imgdiff.text.grammar import FOLLOWERS
from imgdiff.text.lexicon import Lexicon
from imgdiff.text.mentions import mentions
from imgdiff.text.words import WORD

VERB_ENDINGS = ("ing", "ed", "ly")
SHOWN_NOUNS = 5  # of a group
EDITABLE = {
    "replace": "something to replace",
    "attribute": "an attribute to change",
    "add": "a place to add",
}


@dataclass
class Coverage:
    """Counts of captions: all; by what they have; by group; and by noun of a group. unknown: counts
    of words that the lexicon lacks."""

    captions: int = 0
    holding: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    nouns: dict[str, Counter[str]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)


def measure_coverage(captions: Iterable[str], lexicon: Lexicon) -> Coverage:
    """What the lexicon finds in the captions."""
    coverage = Coverage(holding=Counter({"a noun": 0, "an attribute": 0}))
    known = lexicon.attribute_words | FOLLOWERS | {w for form in lexicon.nouns for w in form}
    for caption in captions:
        found = mentions(caption, lexicon)
        coverage.captions += 1
        coverage.holding["a noun"] += bool(found)
        coverage.holding["an attribute"] += any(mention.attributes for mention in found)
        editable = False
        for kind, edit in EDITORS.items():
            edited = edit(caption, lexicon, np.random.default_rng(0)) is not None
            coverage.holding[EDITABLE[kind]] += edited
            editable = editable or edited
        coverage.holding["an edit of some kind"] += editable
        for group, noun in {(m.noun.group, m.noun.thing[0]) for m in found}:
            coverage.nouns.setdefault(group, Counter())[noun] += 1
        coverage.groups.update({mention.noun.group for mention in found})
        words = (word.group().lower() for word in WORD.finditer(caption))
        coverage.unknown.update(w for w in words if w not in known and not _like_a_verb(w))
    return coverage


def _like_a_verb(word: str) -> bool:
    return word.endswith(VERB_ENDINGS) or not word.isalpha()


def print_coverage(console: Console, coverage: Coverage, most: int) -> None:
    """Shares of the captions, the groups with their most frequent nouns, the most frequent unknown
    words."""
    shares, groups = (Table(box=None, pad_edge=False, header_style="bold") for _ in range(2))
    for name in ("captions with", "captions", "%"):
        shares.add_column(name, justify="left" if name == "captions with" else "right")
    for what, count in coverage.holding.items():
        shares.add_row(what, str(count), f"{100 * count / max(coverage.captions, 1):.1f}")
    groups.add_column("group", no_wrap=True)
    groups.add_column("captions", justify="right")
    groups.add_column("most frequent nouns")
    for group, count in coverage.groups.most_common():
        nouns = coverage.nouns[group].most_common(SHOWN_NOUNS)
        groups.add_row(group, str(count), ", ".join(f"{noun} {n}" for noun, n in nouns))
    console.print(f"{coverage.captions} captions\n")
    console.print(shares)
    console.print()
    console.print(groups)
    words = ", ".join(f"{word} {count}" for word, count in coverage.unknown.most_common(most))
    console.print(f"\nmost frequent words that are not in the lexicon: {words or 'none'}")
