"""What transformers' successors of Segment Anything share: they answer a point with masks."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgdiff.models.everything import Segments, find_everything, point_grid
from imgdiff.models.loading import load_whole, place
from imgdiff.models.memory import parts_of
from imgdiff.models.zoo import Checkpoint


class PointPrompted:
    """Finds everything in an image.

    transformers' own pipeline for that is not used: it places its points as if pictures were padded
    to a square, but SAM 2's are stretched to one, so that its grid misses a quarter of a picture of
    640 x 480. Here the model's processor places them.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def of(cls, model: Any, processor: Any, checkpoint: Checkpoint) -> "PointPrompted":
        """A checkpoint by these classes of transformers."""
        return cls(load_whole(model, checkpoint), processor.from_pretrained(**place(checkpoint)))

    def embed(self, pixels: Tensor) -> dict[str, Any]:
        """What the model makes of an image, as it takes it beside points."""
        return {"image_embeddings": self.model.get_image_embeddings(pixels)}

    @torch.inference_mode()
    def segment(
        self,
        image: np.ndarray,
        points_per_side: int,
        pred_iou_thresh: float,
        stability_score_thresh: float,
        box_nms_thresh: float,
    ) -> list[dict[str, Any]]:
        """As `imgdiff.models.roles.Segmenter` says."""
        model, size = self.model, image.shape[:2]
        points = point_grid(points_per_side, size)[None, :, None].tolist()
        given = self.processor(
            images=Image.fromarray(image), input_points=points, return_tensors="pt"
        )
        embedding = self.embed(given["pixel_values"].to(model.device, model.dtype))
        sizes = {name: given[name] for name in given if name.endswith("_sizes")}

        def ask(points: Tensor) -> tuple[Tensor, Tensor]:
            labels = torch.ones(1, len(points), 1, dtype=torch.long, device=model.device)
            made = model(**embedding, input_points=points[None], input_labels=labels)
            return made.pred_masks[0].flatten(0, 1).float(), made.iou_scores[0].flatten().float()

        def enlarge(logits: Tensor) -> Tensor:
            masks = [logits[:, None]]
            return self.processor.post_process_masks(masks, binarize=False, **sizes)[0][:, 0]

        return find_everything(
            given["input_points"][0].float().to(model.device),
            ask,
            Segments(enlarge, size, parts_of(model)),
            pred_iou_thresh,
            stability_score_thresh,
            box_nms_thresh,
        )
