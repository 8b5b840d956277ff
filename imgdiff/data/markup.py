"""Pairs and samples as a notebook shows them: pictures side by side, boxes on them, words below."""

from collections.abc import Iterable, Sequence
from html import escape

from imgdiff.data.boxes import Box
from imgdiff.data.rows import Row
from imgdiff.data.thumbnails import Thumbnail, thumbnail

LONGEST_TEXT = 300  # characters of a sentence that are shown
BOX = 'fill="none" stroke="#e11d48" stroke-width="2" vector-effect="non-scaling-stroke"'


def row_markup(row: Row) -> str:
    """HTML of a row: its pictures with the boxes that are kept, and what is said of them."""
    boxes = [region.box_xyxy for region in row.kept_regions]
    pictures = [
        (small, boxes, row.values.get(caption) or "")
        for name, caption in (("image_a", "caption_a"), ("image_b", "caption_b"))
        if (small := thumbnail(row.values.get(name))) is not None
    ]
    said = [region.difference for region in row.kept_regions if region.difference]
    if not pictures:
        said = [str(row[name]) for name in ("caption_a", "caption_b") if row.values.get(name)]
    ending = row.status if row.ok else f"{row.status}: {row.reason}. {row.message}"
    return figure_markup(f"{row.id} ({ending})", pictures, said)


def figure_markup(
    title: str, pictures: Iterable[tuple[Thumbnail, Sequence[Box], str]], lines: Iterable[str]
) -> str:
    """HTML that needs no style sheet, for light and dark pages.

    Args:
        pictures: each with its boxes (xyxy, pixels of the full picture) and what stands below it.
    """
    shown = "".join(_picture_markup(*each) for each in pictures)
    told = "".join(f'<div style="margin:2px 0">{_text(line)}</div>' for line in lines)
    return (
        '<div style="display:inline-block;vertical-align:top;margin:4px;padding:8px;'
        'border:1px solid #8886;border-radius:6px;max-width:680px">'
        f'<div style="font-size:85%;opacity:.7">{_text(title)}</div>'
        f'<div style="display:flex;gap:8px;flex-wrap:wrap">{shown}</div>{told}</div>'
    )


def _picture_markup(picture: Thumbnail, boxes: Sequence[Box], below: str) -> str:
    rectangles = "".join(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{bottom - top:.1f}" {BOX}/>'
        for left, top, right, bottom in boxes
    )
    overlay = (
        f'<svg viewBox="0 0 {picture.width} {picture.height}" preserveAspectRatio="none" '
        f'style="position:absolute;inset:0;width:100%;height:100%">{rectangles}</svg>'
    )
    return (
        '<div style="width:320px;max-width:100%"><div style="position:relative">'
        f'<img src="{picture.uri}" alt="" style="width:100%;display:block">{overlay}</div>'
        f'<div style="font-size:90%">{_text(below)}</div></div>'
    )


def _text(text: str) -> str:
    shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " ..."
    return escape(shown)
