"""The pictures of the dataset card: some samples, and how the scores are spread."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imgdiff.data.images import draw_box, load_rgb, side_by_side
from imgdiff.data.rows import Row
from imgdiff.statistics.histograms import Histogram, Scores
from imgdiff.store.run_info import RunInfo

EXAMPLES = 8  # pairs in the grid; the card lists their captions under the same numbers
COLUMNS, SIDE = 2, 256  # of the grid; pixels of a picture's longer side
GAP = 12  # pixels between pictures
PANEL, PLOT_HEIGHT = (560, 150), 90  # of a histogram with its words, pixels
MARGIN, LINE = 16, 18
LABEL = 0.12  # share of a plot's width that the number at its edge takes
DOUBLE = 2  # drawn at twice the size, for sharp screens
INK, PALE, PASSING, REFUSED, LIMIT = "#1f2328", "#59636e", "#2f6fb2", "#c3cad3", "#c22f2f"


class CardPictures:
    """Looks at the rows as the shards pass by, then draws `samples.png` and `scores.png`."""

    def __init__(self) -> None:
        self._examples: list[Row] = []
        self._scores = Scores()

    def add(self, rows: Sequence[Row]) -> None:
        self._scores.add(rows)
        kept = (row for row in rows if row.ok and {"image_a", "image_b"} <= row.values.keys())
        self._examples += list(kept)[: EXAMPLES - len(self._examples)]

    def write(self, folder: Path, info: RunInfo) -> None:
        """Write the pictures that there is something for; the folder only if there is one."""
        histograms = [each for each in self._scores.histograms(info) if each.count]
        drawn = {
            "samples.png": draw_samples(self._examples) if self._examples else None,
            "scores.png": draw_histograms(histograms) if histograms else None,
        }
        for name, picture in drawn.items():
            if picture is not None:
                folder.mkdir(exist_ok=True)
                picture.save(folder / name, optimize=True)


def draw_samples(rows: Sequence[Row]) -> Image.Image:
    """Numbered pairs, A left of B, each with the box of its first kept region in red."""
    pairs = [_pair(row) for row in rows]
    columns = min(COLUMNS, len(pairs))
    wide, high = (max(pair.size[axis] for pair in pairs) + GAP for axis in (0, 1))
    high += LINE
    size = (columns * wide + GAP, -(-len(pairs) // columns) * high + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for k, pair in enumerate(pairs):
        left, top = GAP + k % columns * wide, GAP + k // columns * high
        draw.text((left, top), str(k + 1), INK, ImageFont.load_default(14))
        sheet.paste(pair, (left, top + LINE))
    return sheet


def _pair(row: Row) -> Image.Image:
    pictures = [_at_side(load_rgb(row[name])) for name in ("image_a", "image_b")]
    high, wide = load_rgb(row["image_a"]).shape[:2]
    for region in row.kept_regions[:1]:
        box = np.asarray(region.box_xyxy) * SIDE / max(high, wide)
        pictures = [draw_box(picture, box) for picture in pictures]
    return Image.fromarray(side_by_side(*pictures))


def _at_side(array: np.ndarray) -> np.ndarray:
    """The picture with its longer side as long as SIDE; small ones grow without being smoothed."""
    picture = Image.fromarray(array)
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(picture.resize(size, way))


def draw_histograms(histograms: Sequence[Histogram]) -> Image.Image:
    """One panel a score, two in a row: what passes in blue, the thresholds as red lines."""
    wide, high = (side * DOUBLE for side in PANEL)
    columns = min(2, len(histograms))
    sheet = Image.new("RGB", (columns * wide, -(-len(histograms) // columns) * high), "white")
    for k, each in enumerate(histograms):
        sheet.paste(_panel(each), (k % columns * wide, k // columns * high))
    return sheet


def _panel(shown: Histogram) -> Image.Image:
    panel = Image.new("RGB", (PANEL[0] * DOUBLE, PANEL[1] * DOUBLE), "white")
    draw = ImageDraw.Draw(panel)
    large, small = (ImageFont.load_default(size * DOUBLE) for size in (13, 11))
    left, right = MARGIN * DOUBLE, (PANEL[0] - MARGIN) * DOUBLE
    top = (MARGIN + LINE) * DOUBLE
    bottom = top + PLOT_HEIGHT * DOUBLE
    wide = right - left

    draw.text((left, MARGIN * DOUBLE // 2), shown.score, INK, large)
    words = f"{shown.passing} of {shown.count} pass {shown.operator}"
    draw.text((right, MARGIN * DOUBLE // 2), words, PALE, small, anchor="ra")
    for bar in shown.bars:
        x = left + bar.left * wide
        y = bottom - max(bar.height * (bottom - top), DOUBLE)  # a single value is seen, too
        fill = PASSING if bar.passes else REFUSED
        draw.rectangle((x + 1, y, x + bar.width * wide - 1, bottom), fill)
    draw.line((left, bottom, right, bottom), PALE, DOUBLE)
    if not any(place < LABEL for place, _ in shown.lines):
        draw.text((left, bottom + LINE // 3), f"{shown.start:.2f}", PALE, small)
    if not any(place > 1 - LABEL for place, _ in shown.lines):
        draw.text((right, bottom + LINE // 3), f"{shown.end:.2f}", PALE, small, anchor="ra")
    for place, value in shown.lines:
        x = left + place * wide
        draw.line((x, top, x, bottom), LIMIT, DOUBLE)
        draw.text((x, bottom + LINE // 3), f"{value:g}", LIMIT, small, anchor="ma")
    return panel
