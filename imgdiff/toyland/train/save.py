"""Trained models on disk: the formats of full-size checkpoints, fp16 safetensors, and a card."""

import importlib
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import nn
from transformers import BlipForImageTextRetrieval, CLIPModel, LlavaForConditionalGeneration

from imgdiff.models.kinds import OWN
from imgdiff.toyland.judge import Judge
from imgdiff.toyland.train import clip, matcher, mllm, segmenter
from imgdiff.toyland.train.loop import machine, progress


def save_autoencoder(model: AutoencoderKL, folder: Path) -> None:
    model.save_pretrained(folder)


def save_diffusion(pipeline: StableDiffusionXLPipeline, folder: Path) -> None:
    pipeline.vae.register_to_config(_name_or_path="")  # where it lay on this machine
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)


def save_clip(model: CLIPModel, folder: Path) -> None:
    model.half().save_pretrained(folder)
    clip.processor().save_pretrained(folder)


def save_matcher(model: BlipForImageTextRetrieval, folder: Path) -> None:
    model.half().save_pretrained(folder)
    matcher.processor().save_pretrained(folder)


def save_mllm(model: LlavaForConditionalGeneration, folder: Path) -> None:
    model.config.update({OWN: "toyland"})
    model.half().save_pretrained(folder)
    mllm.processor().save_pretrained(folder)


def save_segmenter(model: Sam, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(segmenter.CONFIG.model_dump_json(indent=2) + "\n")
    _save_weights(model, folder)


def save_judge(model: Judge, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _save_weights(model, folder)


def save_card(role: str, trained_in: Path, folder: Path) -> None:
    """Write `README.md`: the trainer's own words about data and loss, and how long it took."""
    module = importlib.import_module(f"imgdiff.toyland.train.{role.partition('_')[0]}")
    steps, seconds = progress(trained_in)
    words = (module.__doc__ or "").strip()
    text = CARD.format(role=role, words=words, steps=steps, machine=machine(), hours=seconds / 3600)
    (folder / "README.md").write_text(text)


CARD = """# {role}

{words}

- Steps: {steps}, in {hours:.1f} hours on {machine}.
- Again: `python -m imgdiff.toyland.train {role}`.

![losses by step](curve.png)
"""


def _save_weights(model: nn.Module, folder: Path) -> None:
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
