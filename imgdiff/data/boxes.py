"""Boxes as xyxy pixels, far edges exclusive."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]


def area(box_xyxy: Sequence[float]) -> float:
    """Square pixels; 0 for a box that is upside down."""
    return max(0.0, box_xyxy[2] - box_xyxy[0]) * max(0.0, box_xyxy[3] - box_xyxy[1])


def clip(box_xyxy: Sequence[float], wide: int, high: int) -> Box:
    """The part of a box inside an image; one that lies beside it comes out empty."""
    x0, x1 = (min(max(float(x), 0.0), float(wide)) for x in box_xyxy[0::2])
    y0, y1 = (min(max(float(y), 0.0), float(high)) for y in box_xyxy[1::2])
    return x0, y0, x1, y1


def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union, in [0, 1]; 0 where both are empty."""
    shared = area(
        (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    )
    union = area(one) + area(other) - shared
    return shared / union if union > 0 else 0.0
