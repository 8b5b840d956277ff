"""Which pairs a person sees: the kept ones first, then some of every reason for a refusal."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from imgdiff.data.boxes import Box
from imgdiff.data.rows import Region, Row
from imgdiff.data.thumbnails import SIDE, Thumbnail, thumbnail
from imgdiff.differences.own_boxes import own_boxes
from imgdiff.export import FinishedRun
from imgdiff.text.shortening import cut, shortened
from imgdiff.text.words import word_blocks

SHOWN_PAIRS = 250  # in the whole page; two thumbnails each
KEPT_PAIRS = 150  # of them for the kept ones, even where refused ones wait
SHOWN_REGIONS = 200  # of one pair
SHOWN_EDIT = 80  # characters of the words that gave way, and of those that came

Words = list[tuple[str, bool]]  # (some words, whether the other caption has them not)


@dataclass(frozen=True)
class Piece:
    """Some of a caption. score, set: of the phrase that it is; None and empty between phrases."""

    text: str
    score: float | None = None
    set: str = ""


@dataclass(frozen=True, order=True)
class PairGroup:
    """Kept pairs, pairs refused for one reason, or pairs with regions refused for one reason."""

    kind: Literal["kept", "pairs", "regions"]
    reason: str = ""


@dataclass(frozen=True)
class Card:
    """One pair as the page shows it.

    name: of its own page. shard: where its row is. row: without its pictures, as 500 large ones
    would fill the memory. regions: (number in the row, region), the ones to be drawn. boxes: number
    -> its boxes in A and in B. more_regions: how many are not drawn. edited: the words that gave
    way, and those that came. phrases: caption A by what it names, of a row that is about one image
    alone.
    """

    name: str
    shard: int
    row: Row
    regions: list[tuple[int, Region]]
    boxes: dict[int, tuple[Box, Box]]
    more_regions: int
    image_a: Thumbnail | None
    image_b: Thumbnail | None
    caption_a: Words
    caption_b: Words
    edited: tuple[str, str]
    phrases: list[Piece]


@dataclass
class GallerySection:
    """The cards of one group, and how many more pairs belong to it."""

    group: PairGroup
    pairs: int
    cards: list[Card] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.pairs - len(self.cards)


def groups(row: Row) -> dict[PairGroup, list[int]]:
    """The groups that a row is shown in, and its regions (by number) to be drawn there."""
    found: dict[PairGroup, list[int]] = {}
    if row.ok:
        found[PairGroup("kept")] = [
            k for k, region in enumerate(row.regions) if region.status == "ok"
        ]
    else:
        found[PairGroup("pairs", row.reason)] = list(range(len(row.regions)))
    for k, region in enumerate(row.regions):
        if region.status != "ok":
            found.setdefault(PairGroup("regions", region.reason), []).append(k)
    return found


def gallery(run: FinishedRun, found: Mapping[PairGroup, Sequence[int]]) -> list[GallerySection]:
    """Fill sections with the first pairs of every group.

    found: the shard of each of its pairs, in order; only those with such pairs are read.
    """
    sections = {group: GallerySection(group, len(found[group])) for group in sorted(found)}
    places = share_places(Counter({group: len(shards) for group, shards in found.items()}))
    wanted = {shard for group, shards in found.items() for shard in shards[: places[group]]}
    for shard in sorted(wanted):
        for row in run.rows(shard):
            for group, numbers in groups(row).items():
                if places[group]:
                    places[group] -= 1
                    sections[group].cards.append(card_of_row(shard, row, numbers))
    return list(sections.values())


def share_places(pairs: Counter[PairGroup]) -> dict[PairGroup, int]:
    """Places by group: kept pairs first, the others share what remains evenly."""
    kept, refused = pairs[PairGroup("kept")], {g: n for g, n in pairs.items() if g.kind != "kept"}
    places = {PairGroup("kept"): min(kept, max(KEPT_PAIRS, SHOWN_PAIRS - sum(refused.values())))}
    left = SHOWN_PAIRS - places[PairGroup("kept")]
    for waiting, group in enumerate(sorted(refused, key=lambda group: refused[group])):
        places[group] = min(refused[group], left // (len(refused) - waiting))
        left -= places[group]
    return places


def card_of_row(
    shard: int, row: Row, numbers: list[int], side: int = SIDE, own: bool = True
) -> Card:
    """A row with some of its regions, its pictures at most so large (pixels of the longer side).

    own: each image gets boxes of its own; else the region's one in both.
    """
    light = legible(row)
    before, after = caption_words(row)
    shown = [(k, light.regions[k]) for k in numbers[:SHOWN_REGIONS]]
    return Card(
        page_name(row.id),
        shard,
        light,
        shown,
        {k: own_boxes(region, row.regions if own else ()) for k, region in shown},
        max(0, len(numbers) - SHOWN_REGIONS),
        thumbnail(row.values.get("image_a"), side),
        thumbnail(row.values.get("image_b"), side),
        before,
        after,
        edited_words(row),
        pieces(row),
    )


def legible(row: Row) -> Row:
    """A copy of the row for a page: every text in it and in its regions shortened, no pictures."""
    copied = row.copy()
    copied.values, copied.message = _legible(copied.values), shortened(copied.message)
    for region in copied.regions:
        for name in ("caption_a", "caption_b", "difference", "conversations", "values"):
            setattr(region, name, _legible(getattr(region, name)))
    return copied


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, list):
        return [_legible(each) for each in value]
    if isinstance(value, dict):
        return {name: _legible(each) for name, each in value.items()}
    return None if isinstance(value, bytes) else value


def page_name(row_id: str) -> str:
    """A file name for any id: what is safe of it, and a hash that tells it from all others."""
    safe = re.sub(r"[^a-z0-9]+", "-", row_id.lower()).strip("-")[:40]
    return f"{safe}-{hashlib.sha256(row_id.encode()).hexdigest()[:10]}".lstrip("-")


def edited_words(row: Row) -> tuple[str, str]:
    """The words that gave way and those that came: of the edit, else where the captions part."""
    edit = row.values.get("edit")
    if edit:
        before, after = edit["source"] or "", edit["target"] or ""
    else:
        before, after = (
            " ".join(text for text, changed in words if changed).strip(",.;:").lower()
            for words in caption_words(row)
        )
    return shortened(before, SHOWN_EDIT), shortened(after, SHOWN_EDIT)


def caption_words(row: Row) -> tuple[Words, Words]:
    """Both captions of a row, cut where they part."""
    return cut_at_changes(row.values.get("caption_a", ""), row.values.get("caption_b", ""))


def is_alone(row: Row) -> bool:
    """Whether the row is about one image, and not about a pair."""
    return bool(row.values.get("phrases")) or "negatives" in row.values


def by_family(row: Row) -> dict[str, list[tuple[str, Words]]]:
    """The row's negatives, families in the paper's order: the objects of each, and its caption cut
    where it parts from the image's own."""
    found: dict[str, list[tuple[str, Words]]] = {}
    for negative in row.values.get("negatives", []):
        _, said = cut_at_changes(row["caption_a"], negative["caption"])
        objects = shortened(", ".join(negative["objects"]))
        found.setdefault(negative["family"], []).append((objects, said))
    return found


def pieces(row: Row) -> list[Piece]:
    """Caption A cut at its phrases; empty if none were looked for."""
    caption, phrases = row.values.get("caption_a", ""), row.values.get("phrases", [])
    shown, rest = cut(caption)
    found, place = [], 0
    for phrase in (phrase for phrase in phrases if phrase["end"] <= len(shown)):
        found.append(Piece(caption[place : phrase["start"]]))
        found.append(Piece(phrase["text"], phrase["score"], phrase["set"]))
        place = phrase["end"]
    return [*found, Piece(" ".join(filter(None, [shown[place:], rest])))] if phrases else []


def cut_at_changes(before: str, after: str) -> tuple[Words, Words]:
    """Both captions cut where they part, punctuation aside; a missing one marks nothing in the
    other. Of long ones the beginnings are compared, and the rest is only counted."""
    shown = cut(before), cut(after)
    old, new = (text.split() for text, _ in shown)
    if not old or not new:
        return [(shortened(before), False)], [(shortened(after), False)]
    plain_old, plain_new = ([word.strip(",.;:") for word in words] for words in (old, new))
    left: Words = []
    right: Words = []
    for tag, a, b, c, d in word_blocks(plain_old, plain_new):
        left += [(" ".join(old[a:b]), tag != "equal")] if a < b else []
        right += [(" ".join(new[c:d]), tag != "equal")] if c < d else []
    for words, (_, rest) in zip((left, right), shown, strict=True):
        words += [(rest, False)] if rest else []
    return left, right
