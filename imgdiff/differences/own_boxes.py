"""A difference has one box, drawn around what stands there in one of the images. In the other image
something else stands there, whose own box is among those that were found in it."""

from collections.abc import Sequence

from imgdiff.data.boxes import Box, iou
from imgdiff.data.rows import Region

LEAST_OVERLAP = 0.3  # IoU of two boxes that are taken to be around the same place
SAME = 0.9  # IoU above which two boxes are one


def own_boxes(region: Region, regions: Sequence[Region]) -> tuple[Box, Box]:
    """The boxes of a region in image A and in image B, xyxy pixels: its own in the image it was
    found in; in the other one the box found there that overlaps it most.

    Its own box is both where none was found in the other image, or one that hardly differs, and
    where the region is refused: what was refused is that very box.

    regions: all of the row, refused ones too.
    """
    if region.status != "ok":
        return region.box_xyxy, region.box_xyxy
    others = (each.box_xyxy for each in regions if each.source != region.source)
    overlap, other = max(((iou(region.box_xyxy, box), box) for box in others), default=(0.0, None))
    if other is None or not LEAST_OVERLAP <= overlap < SAME:
        other = region.box_xyxy
    return (region.box_xyxy, other) if region.source == "a" else (other, region.box_xyxy)
