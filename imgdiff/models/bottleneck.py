"""A bottleneck beside the language model's last blocks: h + W_up s(W_down h), s being SiLU.

It cannot be added to the weights, as a low-rank adapter can: it stays beside them in a file of its
own, which `Mllm.load` finds, and other programs do not.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_model
from torch import Tensor, nn

from imgdiff.models.zoo import BOTTLENECKS

NAME = "bottlenecks"  # of the module, in the model that has them


class Bottleneck(nn.Module):
    """Its output is added to what it sees, [N, T, hidden]; zero at first."""

    def __init__(self, hidden: int, rank: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(hidden, rank), nn.Linear(rank, hidden)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        change: Tensor = self.up(nn.functional.silu(self.down(hidden.to(self.down.weight.dtype))))
        return change.to(hidden.dtype)


class Bottlenecks(nn.Module):
    """One behind each of the last blocks of a language model; works on it through hooks.

    blocks: how many.
    on: False lets the model answer without them.
    """

    def __init__(self, model: Any, blocks: int, rank: int) -> None:
        super().__init__()
        hidden = model.config.get_text_config().hidden_size
        self.shape = {"blocks": blocks, "rank": rank}
        self.each = nn.ModuleList([Bottleneck(hidden, rank) for _ in range(blocks)])
        self.on = True
        for block, bottleneck in zip(model.get_decoder().layers[-blocks:], self.each, strict=True):
            block.register_forward_hook(self._behind(bottleneck))
        model.add_module(NAME, self.to(model.device))

    def _behind(self, bottleneck: nn.Module) -> Any:
        def change(_block: nn.Module, _inputs: Any, hidden: Tensor) -> Tensor:
            return hidden + bottleneck(hidden) if self.on else hidden

        return change


def save(model: Any, folder: Path) -> None:
    """Write the model's bottlenecks into its folder."""
    bottlenecks = getattr(model, NAME)
    save_model(bottlenecks, str(folder / BOTTLENECKS), {"shape": json.dumps(bottlenecks.shape)})


def load(model: Any, folder: Path) -> None:
    """Put the bottlenecks that lie in a model's folder, if any, behind its blocks."""
    if not (folder / BOTTLENECKS).is_file():
        return
    with safe_open(folder / BOTTLENECKS, "pt") as file:
        bottlenecks = Bottlenecks(model, **json.loads(file.metadata()["shape"]))
        bottlenecks.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
