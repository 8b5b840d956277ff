"""What the families of matchers share that have a matching head beside the contrastive ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from imgdiff.models.memory import parts_of, picture_bytes
from imgdiff.models.roles import Matched


class MatchingHead(ABC):
    """The contrastive heads see a picture and read a text apart from each other, the matching head
    reads the text with the picture before it. It costs a pass of its own, so it runs on demand."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    def match(
        self, pictures: Sequence[np.ndarray], texts: Sequence[str], itm: bool = False
    ) -> Matched:
        config, itemsize = self.model.config, self.model.dtype.itemsize
        cost = picture_bytes(config.vision_config, itemsize)
        asked = list(zip(pictures, texts, strict=True))
        found = np.array(
            parts_of(self.model).run(asked, [cost] * len(asked), partial(self._match, itm=itm)),
            np.float32,
        ).reshape(-1, 2)
        return found[:, 0], found[:, 1] if itm else None

    def _match(
        self, asked: Sequence[tuple[np.ndarray, str]], itm: bool
    ) -> list[tuple[float, float]]:
        """Cosine and probability of each picture and text; the latter is 0 if nobody asks."""
        pictures, texts = zip(*asked, strict=True)
        seen, read = self.see(pictures), self.read(texts)
        cosines = self.cosines(seen, *read)
        fits = self.probabilities(seen, *read) if itm else np.zeros_like(cosines)
        return list(zip(cosines, fits, strict=True))

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
