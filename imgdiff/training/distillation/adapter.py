"""The hallucination elimination adapter: what is trained; the model without it is the teacher, so
that no second one is held in memory. Its kind, rank and place are not known from the paper."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imgdiff.models import bottleneck
from imgdiff.models.zoo import BOTTLENECKS
from imgdiff.training.distillation.recipe import Adapter
from imgdiff.training.lora import layers_named


def attach(model: Any, adapter: Adapter) -> Any:
    """The model with a fresh adapter in its language part, all else frozen; it answers as before,
    for the adapter adds nothing yet.

    Raises:
        RefusedError: no layer has a name that `adapter.target_modules` gives.
    """
    model.requires_grad_(False)
    number = len(model.get_decoder().layers)
    blocks = math.ceil(number * adapter.share)
    if adapter.kind == "bottleneck":
        bottleneck.Bottlenecks(model, blocks, adapter.rank)
        return model
    from peft import LoraConfig, get_peft_model

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


@contextmanager
def switched_off(model: Any) -> Iterator[None]:
    """The teacher: the model as if it had no adapter."""
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield
        return
    added = getattr(model, bottleneck.NAME)
    added.on = False
    try:
        yield
    finally:
        added.on = True


def save(model: Any, folder: Path) -> None:
    """Write a merged model, and its bottlenecks in their own file."""
    if not hasattr(model, bottleneck.NAME):
        model.save_pretrained(folder)
        return
    named = model.state_dict().items()
    own = {name: weight for name, weight in named if not name.startswith(f"{bottleneck.NAME}.")}
    model.save_pretrained(folder, state_dict=own)
    bottleneck.save(model, folder)


def write(model: Any, folder: Path) -> None:
    """Write the adapter alone."""
    if hasattr(model, bottleneck.NAME):
        bottleneck.save(model, folder)
    else:
        model.save_pretrained(folder)


def read(model: Any, folder: Path) -> Any:
    """The model with an adapter that was written."""
    if (folder / BOTTLENECKS).is_file():
        bottleneck.load(model, folder)
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder)


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
