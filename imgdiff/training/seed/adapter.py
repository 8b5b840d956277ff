"""The hallucination elimination adapter: what is trained; the model without it is the teacher, so
that no second one is held in memory. Its form, rank and place are not known from the paper."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from imgdiff.training.lora import layers_named
from imgdiff.training.seed.recipe import SeedAdapter


def attach(model: Any, adapter: SeedAdapter) -> Any:
    """The model with a fresh adapter in its language part, all else frozen; it answers as before,
    for the adapter adds nothing yet.

    Raises:
        RefusedError: no layer has a name that `adapter.target_modules` gives.
    """
    from peft import LoraConfig, get_peft_model

    model.requires_grad_(False)
    number = len(model.get_decoder().layers)
    blocks = math.ceil(number * adapter.blocks)
    inside = {
        id(module)
        for block in model.get_decoder().layers[number - blocks :]
        for module in block.modules()
        if isinstance(module, nn.Linear)
    }
    names = [name for name, module in model.named_modules() if id(module) in inside]
    chosen = layers_named(names, adapter.target_modules)
    config = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, target_modules=chosen)
    return get_peft_model(model, config)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of what is trained, by name."""
    return {
        name: weight.detach().cpu().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


@torch.no_grad()
def put_back(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Give what is trained the values of a snapshot."""
    for name, weight in model.named_parameters():
        if name in state:
            weight.copy_(state[name])
