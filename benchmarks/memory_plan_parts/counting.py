"""Count parameters, memory and arithmetic anew, from models that are built without weights.

On torch's meta device a model has shapes and no numbers, so that the largest one is built and run
in a second. Memory is that of all tensors that are alive at one time, but for the weights; maps of
attention are left out where the fused attention never has them.
"""

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from memory_plan_parts.facts import GIB, SIDE, Language, Work

LATENTS = SIDE // 8
VISIBLE = {"segmenter": 1024, "clip": 224, "siglip": 384, "blip": 384, "vit": 224}  # pixels a side


class FusedAttention(TorchFunctionMode):
    """Stands for torch's scaled_dot_product_attention, which would be worked out with its map."""

    flop = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = (
            args[k] if k < len(args) else kwargs[name]
            for k, name in enumerate(("query", "key", "value"))
        )
        numbers = query.shape[-1] + value.shape[-1]
        self.flop += 2 * query.shape[:-1].numel() * key.shape[-2] * numbers
        return query.new_empty(*query.shape[:-1], value.shape[-1])


class LiveTensors(TorchDispatchMode):
    """Bytes of the tensors that are made, as long as they are alive; those of `known` are not
    counted."""

    def __init__(self, known: Iterator[Tensor]) -> None:
        super().__init__()
        self._kept = [tensor.untyped_storage() for tensor in known]
        self._counted = {storage._cdata for storage in self._kept}
        self.bytes = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        self.most = max(self.most, self.bytes)
        return made

    def _count(self, storage: Any) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place not in self._counted:
            self._counted.add(place)
            self.bytes += size
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._counted.discard(place)
        self.bytes -= size


def work_of(model: torch.nn.Module, call: Callable[[], Any]) -> Work:
    """What a call of a model takes beside its weights."""
    live = LiveTensors(iter([*model.parameters(), *model.buffers()]))
    fused, flops = FusedAttention(), FlopCounterMode(display=False)
    with torch.no_grad(), fused, live, flops:
        call()
    return Work(live.most / GIB, (flops.get_total_flops() + fused.flop) / 1e12)


def count(folder: Path) -> dict[str, Any]:
    """Of a model of the Hub whose configs lie in a folder: parameters in billions, and by the names
    of `models.yaml` its work or its sizes."""
    if (folder / "model_index.json").is_file():
        return _count_sdxl(folder)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    model = _built(config)
    counted: dict[str, Any] = {"parameters": _billions(model)}
    kind = config.model_type
    if kind.startswith("sam"):
        pixels = _pictures(VISIBLE["segmenter"])
        counted["picture"] = work_of(model, lambda: model.get_image_embeddings(pixels))
    elif kind in VISIBLE:
        counted["crop"] = work_of(model, _scoring(model, _pictures(VISIBLE[kind])))
    else:
        counted["language"] = _language(config.get_text_config())
    return counted


def _count_sdxl(folder: Path) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae"))
        readers = [
            kind(CLIPTextConfig.from_pretrained(folder / name))
            for name, kind in (
                ("text_encoder", CLIPTextModel),
                ("text_encoder_2", CLIPTextModelWithProjection),
            )
        ]
    unet = unet.eval().half()
    half = {"device": "meta", "dtype": torch.half}
    given = {
        "sample": torch.empty(1, 4, LATENTS, LATENTS, **half),
        "timestep": torch.empty((), device="meta"),
        "encoder_hidden_states": torch.empty(1, 77, 2048, **half),
        "added_cond_kwargs": {
            "text_embeds": torch.empty(1, 1280, **half),
            "time_ids": torch.empty(1, 6, **half),
        },
    }
    latents = torch.empty(1, 4, LATENTS, LATENTS, device="meta")
    return {
        "parameters": sum(map(_billions, (unet, vae, *readers))),
        "row": work_of(unet, lambda: unet(**given)),
        "decoded": work_of(vae, lambda: vae.eval().decode(latents)),
    }


def _built(config: Any) -> Any:
    """The model of a config, without weights."""
    import transformers
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, Sam2Model
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING as SEEING,
    )

    with torch.device("meta"):
        if config.model_type.startswith("sam2"):
            return Sam2Model._from_config(config).eval()
        if type(config) in SEEING and config.model_type != "blip":
            return AutoModelForImageTextToText.from_config(config).eval()
        if config.model_type in (*VISIBLE, "sam"):
            return getattr(transformers, config.architectures[0])(config).eval()
        return AutoModelForCausalLM.from_config(config).eval()


def _scoring(model: Any, pixels: Tensor) -> Callable[[], Any]:
    if hasattr(model, "get_image_features"):
        return lambda: model.get_image_features(pixel_values=pixels)
    return lambda: getattr(model, "vision_model", model)(pixels)


def _pictures(side: int) -> Tensor:
    return torch.empty(1, 3, side, side, device="meta")


def _billions(model: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e9


def _language(text: Any) -> Language:
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Language(
        text.num_hidden_layers,
        text.num_key_value_heads,
        size,
        text.hidden_size,
        text.intermediate_size,
    )
