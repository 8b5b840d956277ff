"""Draw the first samples that a finished run keeps, for README and docs/index.md.

python -m imgdiff.run recipes/replace.yaml
python benchmarks/first_run.py outputs/replace docs/first-run.png
"""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import imgdiff
from imgdiff.export.samples import Sample

COUNT, COLUMNS = 6, 3
WIDE, GAP, BAR, TEXT = (
    420,
    18,
    44,
    15,
)  # pixels of a sample, between them, of its words, of a letter
INK, PAPER, LETTERS = (40, 40, 40), (255, 255, 255), 54  # letters of a line


def tile(sample: Sample) -> Image.Image:
    """A sample: its joined picture with the box drawn, and the answer below."""
    (picture,) = sample.pictures
    high = round(picture.shape[0] * WIDE / picture.shape[1])
    made = Image.new("RGB", (WIDE, high + BAR), PAPER)
    made.paste(Image.fromarray(picture).resize((WIDE, high), Image.Resampling.LANCZOS))
    words = "\n".join(textwrap.wrap(sample.turns[1]["value"], LETTERS))
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(TEXT)
    pen.text((WIDE / 2, high + 6), words, INK, font, anchor="ma", align="center")
    return made


def sheet(samples: list[Sample]) -> Image.Image:
    tiles = [np.asarray(tile(sample)) for sample in samples]
    edged = [np.pad(each, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255) for each in tiles]
    rows = [np.concatenate(edged[k : k + COLUMNS], 1) for k in range(0, len(edged), COLUMNS)]
    whole = np.concatenate(rows)
    return Image.fromarray(np.pad(whole, ((0, 0), (0, GAP), (0, 0)), constant_values=255))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    sheet(imgdiff.Run(given.run).samples[:COUNT]).save(given.picture, optimize=True)


if __name__ == "__main__":
    main()
