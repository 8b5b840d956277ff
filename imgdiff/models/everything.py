"""Everything mode, as segment_anything has it: a grid of points prompts a model, and the good masks
are kept (Kirillov et al. 2023, appendix B)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from segment_anything.utils.amg import (
    batched_mask_to_box,
    build_point_grid,
    calculate_stability_score,
    mask_to_rle_pytorch,
)
from torch import Tensor
from torchvision.ops import nms

from imgdiff.models.memory import Parts

POINTS_AT_ONCE = 64  # that share a batch, as in segment_anything
PIXEL_BYTES = 16  # that a mask takes for each pixel of the image while it is judged
OFFSET = 1.0  # by which the cutoff of the logits, 0, is moved to see whether a mask is stable

Enlarge = Callable[[Tensor], Tensor]  # logits [N, h, w] -> [N, H, W] float32, the image's size


class Segments:
    """Masks of an image as they are found. They are kept as run lengths: at the image's size a few
    hundred of them would fill a machine."""

    def __init__(self, enlarge: Enlarge, size: tuple[int, int], parts: Parts) -> None:
        """size: height and width of the image. parts: of the model."""
        self._enlarge, self._parts = enlarge, parts
        self._cost = PIXEL_BYTES * size[0] * size[1]
        self._boxes: list[Tensor] = []
        self._scores: list[Tensor] = []
        self._masks: list[dict[str, Any]] = []

    def add(self, logits: Tensor, scores: Tensor, stability_score_thresh: float = 0.0) -> None:
        """Keep those of the masks ([N, h, w] logits with scores [N]) that are stable and not
        empty."""

        def judge(some: Sequence[Tensor]) -> list[tuple[Tensor, dict[str, Any]] | None]:
            large = self._enlarge(torch.stack(list(some)))
            masks = large > 0
            good = masks.flatten(1).any(1)
            if stability_score_thresh > 0:
                good &= calculate_stability_score(large, 0.0, OFFSET) >= stability_score_thresh
            masks = masks[good]
            kept = zip(batched_mask_to_box(masks).float(), mask_to_rle_pytorch(masks), strict=True)
            return [next(kept) if each else None for each in good.tolist()]

        judged = self._parts.run([*logits], [self._cost] * len(logits), judge)
        for score, found in zip(scores.float(), judged, strict=True):
            if found is not None:
                self._scores.append(score)
                self._boxes.append(found[0])
                self._masks.append(found[1])

    def best(self, box_nms_thresh: float) -> list[dict[str, Any]]:
        """What was kept, as `imgdiff.models.roles.Segmenter` gives it, best first; of two boxes
        that overlap more than that, the better one."""
        if not self._masks:
            return []
        boxes, scores = torch.stack(self._boxes), torch.stack(self._scores)
        kept = nms(boxes, scores, box_nms_thresh)
        boxes[:, 2:] += 1  # these boxes end on the last pixel of the mask; ours end behind it
        found = zip(kept.tolist(), boxes[kept].tolist(), scores[kept].tolist(), strict=True)
        return [
            {"box_xyxy": tuple(box), "mask": self._masks[place], "score": score}
            for place, box, score in found
        ]


def point_grid(points_per_side: int, size: tuple[int, int]) -> np.ndarray:
    """[P, 2] float64, xy pixels: the points, squared, over an image of that height and width."""
    grid: np.ndarray = build_point_grid(points_per_side) * size[::-1]
    return grid


def find_everything(
    points: Tensor,
    ask: Callable[[Tensor], tuple[Tensor, Tensor]],
    segments: Segments,
    pred_iou_thresh: float,
    stability_score_thresh: float,
    box_nms_thresh: float,
) -> list[dict[str, Any]]:
    """The segments of an image, as `imgdiff.models.roles.Segmenter` gives them.

    Args:
        points: [P, ...], as `ask` takes some of them.
        ask: gives the logits of the masks that the model has for them, [N, h, w] float32, and the
            IoU that it predicts for each, [N].
        segments: of the image; still empty.
    """
    for some in points.split(POINTS_AT_ONCE):
        logits, quality = ask(some)
        if pred_iou_thresh > 0:
            good = quality > pred_iou_thresh
            logits, quality = logits[good], quality[good]
        segments.add(logits, quality, stability_score_thresh)
    return segments.best(box_nms_thresh)
