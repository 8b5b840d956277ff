"""Checkpoints of given shapes with random weights, saved as those of the Hub are."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from full_size_parts.shapes import Shape
from full_size_parts.words import bert_words, clip_words, qwen_words

NAME, PIPELINE_NAME = "model.safetensors", "diffusion_pytorch_model.safetensors"
CODES = {torch.bfloat16: "BF16", torch.int64: "I64"}
BLOCK = 1 << 24  # random numbers that are drawn; every weight is cut out of them
LOGIT_SCALE = 2.66  # of CLIP and its like, whose numbers without a dimension it is


def checkpoint(shape: Shape, layers: int, folder: Path, corpus: Sequence[str]) -> int:
    """Save a model of that shape, unless it is there; the number of its parameters.

    layers: of its language model, if it has one.
    """
    done = folder / "parameters"  # how many; written when all else is there
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        parts = shape.parts(layers)
        for name, model in parts.items():
            _save_part(model, folder / name)
        BESIDE[shape.family](folder, corpus)
        count = sum(each.numel() for model in parts.values() for each in model.parameters())
        done.write_text(str(count))
    return int(done.read_text())


def _save_part(model: Any, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if hasattr(model, "save_config"):  # of diffusers
        model.save_config(folder)
        write_random(model.state_dict(), folder / PIPELINE_NAME)
    else:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        write_random(model.state_dict(), folder / NAME)


def write_random(shapes: Mapping[str, torch.Tensor], file: Path) -> None:
    """Write a safetensors file tensor by tensor, in bfloat16, so that no model is ever whole in
    memory. shapes: name -> a tensor of which only the shape and the kind count."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(BLOCK, generator=generator)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, like in shapes.items():
        kind = torch.bfloat16 if like.is_floating_point() else torch.int64
        begin, end = end, end + like.numel() * kind.itemsize
        numbers = {"dtype": CODES[kind], "shape": list(like.shape), "data_offsets": [begin, end]}
        header[name] = numbers
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name, like in shapes.items():
            _write_numbers(_numbers(name, like, block), out)


def _write_numbers(numbers: torch.Tensor, out: Any) -> None:
    out.write(numbers.contiguous().view(torch.uint8).numpy())


def _numbers(name: str, like: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """Such that what goes through many layers of them neither grows nor dies. Flat."""
    count = like.numel()
    if not like.is_floating_point():
        return torch.arange(count)  # places
    if like.ndim == 0:
        return torch.full((1,), LOGIT_SCALE, dtype=torch.bfloat16)
    if like.ndim == 1:
        return torch.full((count,), float(name.endswith("weight")), dtype=torch.bfloat16)
    scaled = (block[:count] * math.sqrt(like.shape[0] / count)).bfloat16()
    return scaled.repeat(-(-count // BLOCK))[:count]


def _beside_sdxl(folder: Path, corpus: Sequence[str]) -> None:
    from diffusers import EulerDiscreteScheduler

    for name in ("tokenizer", "tokenizer_2"):
        (folder / name).mkdir(exist_ok=True)
        clip_words(corpus, folder / name).save_pretrained(folder / name)
    EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    ).save_pretrained(folder / "scheduler")
    parts = {
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    index = {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True}
    (folder / "model_index.json").write_text(json.dumps(index | parts))


def _beside_clip(folder: Path, corpus: Sequence[str]) -> None:
    from transformers import CLIPImageProcessor, CLIPProcessor

    CLIPProcessor(CLIPImageProcessor(), clip_words(corpus, folder)).save_pretrained(folder)


def _beside_blip(folder: Path, corpus: Sequence[str]) -> None:
    from transformers import BlipImageProcessor, BlipProcessor

    BlipProcessor(BlipImageProcessor(), bert_words(corpus)).save_pretrained(folder)


def _beside_sam(folder: Path, corpus: Sequence[str]) -> None:
    from transformers import SamImageProcessor

    SamImageProcessor().save_pretrained(folder)


def _beside_vit(folder: Path, corpus: Sequence[str]) -> None:
    from transformers import ViTImageProcessor

    ViTImageProcessor().save_pretrained(folder)


def _beside_qwen(folder: Path, corpus: Sequence[str]) -> None:
    qwen_words(corpus).save_pretrained(folder)


def _beside_qwen_vl(folder: Path, corpus: Sequence[str]) -> None:
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    half = [0.5, 0.5, 0.5]
    sizes = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
    sizes |= {"image_mean": half, "image_std": half}
    tokenizer = qwen_words(corpus)
    Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(
            **sizes, size={"shortest_edge": 65536, "longest_edge": 16777216}
        ),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**sizes),
        chat_template=tokenizer.chat_template,
    ).save_pretrained(folder)


BESIDE = {
    "sdxl": _beside_sdxl,
    "sam": _beside_sam,
    "clip": _beside_clip,
    "blip": _beside_blip,
    "vit": _beside_vit,
    "qwen": _beside_qwen,
    "qwen_vl": _beside_qwen_vl,
}
