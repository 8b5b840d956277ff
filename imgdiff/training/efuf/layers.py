"""Which layers of an MLLM are trained."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from imgdiff.errors import RefusedError
from imgdiff.training.efuf.recipe import Layers
from imgdiff.training.finetune.model_parts import weight_parts


def train_only(model: Any, layers: Sequence[Layers]) -> list[nn.Parameter]:
    """Freeze all but these layers, and hold those in float32, in which small steps count.

    Raises:
        RefusedError: the model has no layers of one of these kinds.
    """
    belongs = weight_parts(model)
    last = {id(weight) for weight in model.get_decoder().layers[-1].parameters()}
    opened, met = [], set[str]()
    for name, weight in model.named_parameters():
        kinds = {"last_block" if id(weight) in last else "", _KINDS.get(belongs[name], "")}
        weight.requires_grad_(not kinds.isdisjoint(layers))
        if weight.requires_grad:
            weight.data = weight.data.float()
            opened.append(weight)
            met |= kinds
    if absent := [kind for kind in layers if kind not in met]:
        raise RefusedError(f"layers: no {' or '.join(absent)} in {type(model).__name__}")
    return opened


_KINDS: dict[str, Layers] = {"projector": "projector", "language": "language_model"}
