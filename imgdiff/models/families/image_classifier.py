"""The nsfw role: what a picture is classed as (any image classifier of transformers)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from imgdiff.data.images import stretch_to_square
from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.memory import parts_of, picture_bytes
from imgdiff.models.zoo import Checkpoint


class ImageClassifier:
    """Says how likely a picture is of some of its classes. labels: the names of all of them."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor
        self.labels: list[str] = [name for _, name in sorted(model.config.id2label.items())]

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "ImageClassifier":
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        model = AutoModelForImageClassification.from_pretrained(**weights(checkpoint))
        processor = AutoImageProcessor.from_pretrained(**place(checkpoint))
        return cls(model.to(device_of(checkpoint)), processor)

    @torch.inference_mode()
    def probability(self, pictures: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
        """[N] float32 in [0, 1]: that pictures ([H, W, 3] uint8 RGB) are of any of `labels`."""
        cost = picture_bytes(self.model.config, self.model.dtype.itemsize)
        work = partial(self._classify, labels)
        return np.stack(parts_of(self.model).run(pictures, [cost] * len(pictures), work))

    def _classify(self, labels: Sequence[str], pictures: Sequence[np.ndarray]) -> np.ndarray:
        shown = list(pictures)
        if getattr(self.processor, "do_center_crop", False):  # what is at the rim counts, too
            shown = [stretch_to_square(picture) for picture in pictures]
        batch = self.processor(images=shown, return_tensors="pt")
        pixels = batch["pixel_values"].to(self.model.device, self.model.dtype)
        logits = self.model(pixel_values=pixels).logits.float()
        places = [self.labels.index(label) for label in labels]
        if self.model.config.problem_type == "multi_label_classification":
            found = 1 - (1 - logits.sigmoid()[:, places]).prod(-1)  # labels do not exclude others
        else:
            found = logits.softmax(-1)[:, places].sum(-1)
        return found.clamp(0, 1).cpu().numpy()
