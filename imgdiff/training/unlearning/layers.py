"""Which layers of an MLLM are trained."""

import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from imgdiff.errors import RefusedError
from imgdiff.training.unlearning.recipe import Layers

# what families of transformers call the layers between vision and language: LLaVA, InternVL;
# Qwen-VL (from version 3 also deepstack_merger_list); Idefics, SmolVLM; BLIP-2, Kosmos-2
PROJECTOR = re.compile(
    r"\.(multi_modal_projector|merger|deepstack_merger_list|connector|language_projection"
    r"|image_to_text_projection)\."
)


def train_only(model: Any, layers: Sequence[Layers]) -> list[nn.Parameter]:
    """Freeze all but these layers, and hold those in float32, in which small steps count.

    Raises:
        RefusedError: the model has no layers of that kind.
    """
    model.requires_grad_(False)
    opened: dict[int, nn.Parameter] = {}
    for name in layers:
        found = _parameters(model, name)
        if not found:
            raise RefusedError(f"layers: no {name} in {type(model).__name__}")
        opened |= {id(parameter): parameter for parameter in found}
    for parameter in opened.values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return list(opened.values())


def _parameters(model: Any, name: Layers) -> list[nn.Parameter]:
    if name == "projector":
        return [p for place, p in model.named_parameters() if PROJECTOR.search(f".{place}")]
    language = model.get_decoder()
    return list((language if name == "language_model" else language.layers[-1]).parameters())
