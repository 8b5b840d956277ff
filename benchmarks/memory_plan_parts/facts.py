"""What is known of the models, as `models.yaml` has it."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

GIB, KIB = 2**30, 2**10
SIDE = 1024  # pixels, of the pictures for which memory and work are given


@dataclass(frozen=True)
class Work:
    """What one item takes beside the weights: memory in GiB, arithmetic in TFLOP."""

    gib: float
    tflop: float


@dataclass(frozen=True)
class Language:
    """Sizes of a language model, whose keys and values are kept in 16 bits."""

    layers: int
    kv_heads: int
    head_size: int
    width: int
    inner_width: int

    @property
    def kv_bytes(self) -> int:
        """That a token's keys and values take, in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * 2

    @property
    def layer_bytes(self) -> int:
        """That a token takes in one layer, while a prompt is read: an estimate of what is in memory
        at one time, two tensors of the inner width and six of the other."""
        return (2 * self.inner_width + 6 * self.width) * 2

    def gib(self, prompt: int, new: int) -> float:
        """Of one sequence of a prompt and new tokens."""
        return ((prompt + new) * self.kv_bytes + prompt * self.layer_bytes) / GIB


@dataclass(frozen=True)
class Model:
    """See `models.yaml`."""

    name: str
    parameters: float
    file_bytes: int
    row: Work | None = None
    decoded: Work | None = None
    picture: Work | None = None
    crop: Work | None = None
    language: Language | None = None
    tokens: dict[int, int] = field(default_factory=dict)
    pair_tokens: dict[int, int] = field(default_factory=dict)

    @property
    def files_gb(self) -> float:
        return self.parameters * self.file_bytes

    def gib(self, dtype: str) -> float:
        """Of the weights in memory."""
        return self.parameters * 1e9 * (4 if dtype == "float32" else 2) / GIB


@cache
def models() -> dict[str, Model]:
    """Hub name -> what is known of it."""
    text = Path(__file__).with_name("models.yaml").read_text("utf-8")
    return {name: _model(name, facts) for name, facts in yaml.safe_load(text).items()}


def _model(name: str, facts: dict[str, Any]) -> Model:
    kinds: dict[str, type] = dict.fromkeys(("row", "decoded", "picture", "crop"), Work)
    kinds["language"] = Language
    made = {key: kinds[key](**given) for key, given in facts.items() if key in kinds}
    return Model(name=name, **(facts | made))
