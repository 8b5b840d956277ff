"""What the families of matchers share that have a matching head beside the contrastive ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from imgdiff.models.roles import Matched


class MatchingHead(ABC):
    """The contrastive heads see a picture and read a text apart from each other, the matching head
    reads the text with the picture before it. It costs a pass of its own, so it runs on demand."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    def match(
        self, pictures: Sequence[np.ndarray], texts: Sequence[str], itm: bool = False
    ) -> Matched:
        seen, read = self.see(pictures), self.read(texts)
        return self.cosines(seen, *read), self.probabilities(seen, *read) if itm else None

    def see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """[N, T, D], what the vision tower makes of pictures [H, W, 3] uint8 RGB; the processor
        stretches them to its square."""
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        vision = self.model.vision_model
        with torch.inference_mode():
            pixels = batch["pixel_values"].to(vision.device, vision.dtype)
            return vision(pixels).last_hidden_state

    def read(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, L] each, tokens of texts and where there are any; texts are cut at the length that
        the model reads."""
        tokens = self.processor.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).to(self.model.device)
        return tokens["input_ids"], tokens["attention_mask"]

    @property
    @abstractmethod
    def length(self) -> int:
        """The tokens of a text that are read."""

    @abstractmethod
    def cosines(self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        """[N] float32 in [-1, 1], of what was seen of each picture and the text beside it."""

    @abstractmethod
    def probabilities(
        self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> np.ndarray:
        """[N] float32 in [0, 1], that each text fits what was seen of the picture beside it."""
