"""A vision tower that sees every picture once."""

from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from imgdiff.models.families.image_text_to_text import ImageTextToText


class SeenOnce(nn.Module):
    """A frozen tower that keeps what it made of a picture: POPE asks about one many times, and the
    models that are compared share their tower. It gives the last hidden state alone, which is what
    the embedded MLLM reads."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self._tower = tower
        self._known: dict[bytes, Tensor] = {}  # [T, D] each

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        names = [_digest(picture) for picture in pixel_values]
        new = {name: k for k, name in enumerate(names) if name not in self._known}
        if new:
            made = self._tower(pixel_values[list(new.values())]).last_hidden_state
            self._known |= dict(zip(new, made, strict=True))
        last = torch.stack([self._known[name] for name in names])
        return BaseModelOutputWithPooling(last_hidden_state=last, hidden_states=(last,))


def share_tower(mllm: ImageTextToText, towers: dict[bytes, SeenOnce]) -> None:
    """Let it see through the one of `towers` that has the same weights; its own becomes one of them
    if there is none."""
    tower = mllm.model.model.vision_tower
    weights = b"".join(_digest(weight) for weight in tower.state_dict().values())
    mllm.model.model.vision_tower = towers.setdefault(weights, SeenOnce(tower))


def _digest(values: Tensor) -> bytes:
    return blake2b(values.contiguous().numpy().tobytes(), digest_size=16).digest()
