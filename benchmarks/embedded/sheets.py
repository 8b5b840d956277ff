"""Contact sheets: what the embedded models make, for people to look at."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from embedded.chain import Sample
from embedded.diffusion import Drawn
from embedded.editing import Edited
from embedded.perception import segments
from imgdiff.data import images
from imgdiff.models.families.sam import SegmentAnything
from imgdiff.toyland.scenes import draw, generator, sample_scene

GAP, LINE, TEXT_SIZE = 6, 13, 11  # pixels
BLACK, GREEN, RED = (30, 30, 30), (20, 120, 50), (190, 30, 30)
TINTS = np.array(
    [(230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (70, 240, 240)]
)


@dataclass(frozen=True)
class Tile:
    """Pictures [H, W, 3] uint8 side by side, and text below."""

    pictures: Sequence[np.ndarray]
    text: str
    colour: tuple[int, int, int] = BLACK


def generated(drawn: Sequence[Drawn]) -> list[Tile]:
    """What captions give; red where the judge sees anything else than what they name."""
    return [Tile([d.image], d.caption, GREEN if d.faithful else RED) for d in drawn]


def edited(ours: Sequence[Edited], plain: Sequence[Edited]) -> list[Tile]:
    """A, B by prompt-to-prompt, and B by the same seed alone; green where B shows the new thing."""
    return [
        Tile(
            [*one.images, other.images[1]],
            f"{one.caption_a}: {one.old} to {one.new.split()[1]}",
            GREEN if one.shows_new else RED,
        )
        for one, other in zip(ours, plain, strict=True)
    ]


def segmented(segmenter: SegmentAnything, count: int) -> list[Tile]:
    """Rendered scenes and what everything mode finds in them."""
    tiles = []
    for k in range(count):
        image = draw(sample_scene(generator("test", k))).image
        painted = image.astype(np.float32)
        for number, mask in enumerate(segments(segmenter, image)):
            painted[mask] = 0.35 * painted[mask] + 0.65 * TINTS[number % len(TINTS)]
        tiles.append(Tile([image, painted.astype(np.uint8)], ""))
    return tiles


def sampled(samples: Sequence[Sample]) -> list[Tile]:
    """Samples of the default recipe; green where box and sentence are right."""
    return [
        Tile(
            [images.draw_box(picture, s.region.box_xyxy) for picture in s.images],
            s.region.difference,
            GREEN if s.right_box and s.right_sentence else RED,
        )
        for s in samples
    ]


def write_sheet(tiles: Sequence[Tile], columns: int, path: Path) -> None:
    """Save a sheet as JPEG, as many tiles as fill whole rows."""
    tiles = tiles[: len(tiles) // columns * columns] or tiles
    high = max(picture.shape[0] for tile in tiles for picture in tile.pictures)
    wide = max(sum(picture.shape[1] for picture in tile.pictures) for tile in tiles)
    lines = max(len(_lines(tile.text, wide)) for tile in tiles)
    cell_wide, cell_high = wide + GAP, high + lines * LINE + GAP
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * cell_wide + GAP, rows * cell_high + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_SIZE)
    for k, tile in enumerate(tiles):
        left, top = GAP + k % columns * cell_wide, GAP + k // columns * cell_high
        sheet.paste(Image.fromarray(np.concatenate(list(tile.pictures), axis=1)), (left, top))
        for number, line in enumerate(_lines(tile.text, wide)):
            pen.text((left, top + high + number * LINE), line, tile.colour, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88)


def _lines(text: str, wide: int) -> list[str]:
    return textwrap.wrap(text, max(wide // 6, 1))  # letters are about six pixels wide
