"""Samples: what a trainer learns from, one for each kept region, its pictures drawn."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imgdiff.data.boxes import Box
from imgdiff.data.conversations import IMAGE, Form, Turn, image_count, recast
from imgdiff.data.images import draw_box, load_rgb, side_by_side
from imgdiff.data.markup import figure_markup
from imgdiff.data.rows import Region, Row
from imgdiff.data.thumbnails import shrunk
from imgdiff.export.split import Side, Split

LONGEST_NAME = 100  # characters of an id that become part of a file's name


@dataclass(frozen=True)
class Sample:
    """A question about pictures and its answer.

    id: `{id of the pair}-{number of the region}`, as in `data/`. pictures: [H, W, 3] uint8 RGB, in
    the order of their `<image>` tokens. boxes: (number of the picture, xyxy pixels in it), where
    the red boxes mark the region.
    """

    id: str
    side: Side
    turns: list[Turn]
    pictures: list[np.ndarray]
    boxes: list[tuple[int, Box]]

    @property
    def name(self) -> str:
        return safe_name(self.id)

    def _repr_html_(self) -> str:
        """The sample as a notebook shows it: the box is drawn in the pictures."""
        shown = [(shrunk(picture), (), "") for picture in self.pictures]
        turns = (turn["value"].replace(IMAGE, "").strip() for turn in self.turns)
        return figure_markup(self.id, shown, turns)


def samples(row: Row, form: Form, split: Split) -> Iterator[Sample]:
    """The samples of a row, in `form` where their questions are known in it; a row that has not
    both pictures has none."""
    regions = [
        (number, region)
        for number, region in enumerate(row.regions)
        if row.ok and region.status == "ok" and region.conversations
    ]
    if not regions or not {"image_a", "image_b"} <= row.values.keys():
        return
    images = load_rgb(row["image_a"]), load_rgb(row["image_b"])
    for number, region in regions:
        turns = recast(region.conversations, form)
        pictures, boxes = draw_sample(images, region, joined=image_count(turns) == 1)
        yield Sample(f"{row.id}-{number}", split.side(row), turns, pictures, boxes)


def draw_sample(
    images: tuple[np.ndarray, np.ndarray], region: Region, joined: bool
) -> tuple[list[np.ndarray], list[tuple[int, Box]]]:
    """Image A and B with the region marked, as the operators show them to the MLLM, the one that
    stands left first; where it is."""
    marked = [draw_box(image, region.box_xyxy) for image in images]
    if region.left == "b":
        marked.reverse()
    if not joined:
        return marked, [(0, region.box_xyxy), (1, region.box_xyxy)]
    picture = side_by_side(*marked)
    left, top, right, bottom = region.box_xyxy
    shift = picture.shape[1] - marked[1].shape[1]
    return [picture], [(0, region.box_xyxy), (0, (left + shift, top, right + shift, bottom))]


def safe_name(id: str) -> str:
    """A file name for an id, another one for every id: letters, digits, `-` and `_` stay.

    An id that holds more gets a hash behind `~`, which no plain id has; `.` goes too, because a
    WebDataset key ends there.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", id)[:LONGEST_NAME]
    return id if plain == id else f"{plain}~{hashlib.sha256(id.encode()).hexdigest()[:16]}"
