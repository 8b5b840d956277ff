"""A page for every pair that the report shows: its pictures, its boxes and how it came about."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from imgdiff.data.boxes import Box
from imgdiff.data.fields import PICTURE
from imgdiff.data.rows import Region, Row
from imgdiff.data.thumbnails import Thumbnail, thumbnail
from imgdiff.differences.own_boxes import own_boxes
from imgdiff.export import FinishedRun
from imgdiff.report.gallery import (
    SHOWN_REGIONS,
    GallerySection,
    by_family,
    caption_words,
    edited_words,
    is_alone,
    legible,
    page_name,
    pieces,
)
from imgdiff.report.rendering import render_page
from imgdiff.report.verdicts import Verdict, region_verdicts, verdict_of
from imgdiff.store.files import swap_folder
from imgdiff.store.run_info import RunInfo, RunModel, RunOperator

FOLDER = "report"
SIDE = 768  # pixels of a picture's longer side, at most
CONTEXT = 0.15  # of a box's longer side, shown around it in its close-up
STYLES = ("page.css", "pair.css")
SCRIPTS = ("keys.js", "pair.js", "compare.js")


@dataclass(frozen=True)
class Step:
    """What an operator did with a row.

    models: role -> model, of the roles it has. ending: passed, rejected, failed or not reached.
    verdict: about the pair's scores. refused: numbers of the regions it turned down.
    """

    operator: RunOperator
    models: dict[str, RunModel]
    ending: str
    verdict: Verdict
    refused: list[int]


def write_pair_pages(run: FinishedRun, sections: Sequence[GallerySection]) -> None:
    """Write `report/`: a page for every pair in the sections, linked in their order.

    It is built in a hidden folder and renamed into place at the end: an interrupted write leaves
    the earlier pages, and a finished one leaves none of them.
    """
    building = run.path / f".{FOLDER}.new"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    places: dict[str, str] = {}  # page -> its first card in the gallery
    shards: dict[int, set[str]] = {}
    for section in sections:
        for card in section.cards:
            places.setdefault(card.name, f"{section.group.kind}-{card.name}")
            shards.setdefault(card.shard, set()).add(card.row.id)
    order = list(places)
    for shard, ids in shards.items():
        for row in run.rows(shard):
            if row.id in ids:
                name = page_name(row.id)
                page = _page(run.info, row, order, places[name])
                (building / f"{name}.html").write_bytes(page)
    swap_folder(building, run.path / FOLDER)


def _page(info: RunInfo, row: Row, order: list[str], place: str) -> bytes:
    here = order.index(page_name(row.id))
    before, after = caption_words(row)
    image_a, image_b = (thumbnail(row.values.get(name), SIDE) for name in ("image_a", "image_b"))
    phrases, shown = pieces(row), legible(row)
    numbered = shown_regions(shown)
    boxes = {k: own_boxes(region, row.regions) for k, region in numbered}
    own = [field for field in info.fields if field.kind != PICTURE]
    sides = [("A", image_a, before), ("B", image_b, after)]
    return render_page(
        "pair.html.jinja",
        STYLES,
        SCRIPTS,
        info=info,
        row=shown,
        own=[field for field in own if not field.of_region],
        own_of_regions=[field for field in own if field.of_region],
        edited=edited_words(row),
        sides=sides[:1] if is_alone(row) else sides,
        negatives=by_family(row),
        phrases=phrases,
        numbered=numbered,
        more_regions=max(0, len(row.regions) - SHOWN_REGIONS),
        boxes=boxes,
        apart=any(a != b for a, b in boxes.values()),
        verdicts=partial(region_verdicts, info),
        compared=is_comparable(image_a, image_b) and not is_alone(row),
        zoom=zoom,
        steps=steps(row, info),
        place=place,
        number=here + 1,
        total=len(order),
        previous=order[here - 1] if here else None,
        next=order[here + 1] if here + 1 < len(order) else None,
    )


def shown_regions(row: Row) -> list[tuple[int, Region]]:
    """(number in the row, region) in their order; of very many the kept ones are chosen first."""
    numbered = list(enumerate(row.regions))
    chosen = sorted(numbered, key=lambda each: each[1].status != "ok")[:SHOWN_REGIONS]
    return sorted(chosen, key=lambda each: each[0])


def steps(row: Row, info: RunInfo) -> list[Step]:
    """Every operator of the recipe, in order, and how the row left it."""
    names = [operator.name for operator in info.operators]
    last = row.reason.partition(":")[0]  # the reader is no operator: no step was reached
    end = len(names) if row.ok else names.index(last) if last in names else -1
    found = []
    for k, operator in enumerate(info.operators):
        prefix = f"{operator.name}: "
        found.append(
            Step(
                operator,
                {role: info.models[role] for role in operator.roles},
                "passed" if k < end else "not reached" if k > end else row.status,
                verdict_of(operator, operator.scores, row.scores, k == end and not row.ok),
                [n for n, region in enumerate(row.regions) if region.reason.startswith(prefix)],
            )
        )
    return found


def thresholds(info: RunInfo) -> dict[str, Sequence[float | None]]:
    """Score -> (lowest, highest) value that passes, of all operators."""
    return {k: v for operator in info.operators for k, v in operator.thresholds.items()}


def is_comparable(image_a: Thumbnail | None, image_b: Thumbnail | None) -> bool:
    """Whether the two can be laid over each other."""
    return (
        image_a is not None
        and image_b is not None
        and (image_a.width, image_a.height) == (image_b.width, image_b.height)
    )


def zoom(boxes: Sequence[Box], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width, height of boxes with what lies around them, inside the picture; pixels."""
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
    margin = CONTEXT * max(right - left, bottom - top)
    left, top = max(0.0, left - margin), max(0.0, top - margin)
    return left, top, min(width, right + margin) - left, min(height, bottom + margin) - top
