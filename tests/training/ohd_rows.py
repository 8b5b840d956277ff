"""Drawn scenes with edited captions, and small models that can be trained on them."""

import io
from pathlib import Path

import torch
from datasets import Dataset, Features, Image, List, Value
from miniatures import PATCH, SIDE, SMALL, save_clip
from PIL import Image as Pictures
from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.tokenizer import clip_tokenizer

TEXT = Value("string")
FEATURES = Features(
    {
        "image_a": Image(),
        "caption_a": TEXT,
        "negatives": List({"caption": TEXT, "family": TEXT, "objects": List(TEXT)}),
    }
)


def row(seed: int, count: int) -> dict:
    """A drawn scene of one thing with `count` edited captions, of the families in turn."""
    rng = generator("train", seed)
    scene = sample_scene(rng, 1)
    caption, picture = scene_caption(scene, rng), io.BytesIO()
    Pictures.fromarray(draw(scene).image).save(picture, "PNG")
    added = ["a red boat", "a green mug", "a blue ball", "a white tent"][:count]
    return {
        "image_a": {"bytes": picture.getvalue(), "path": None},
        "caption_a": caption,
        "negatives": [
            {"caption": f"{caption} with {thing}", "family": family, "objects": []}
            for thing, family in zip(added, ["random", "popular", "alter", "random"], strict=False)
        ],
    }


def write_rows(folder: Path, counts: list[int], split: str = "train") -> Path:
    """Parquet as a run's `data/pairs` has it: a row with so many negatives for each count."""
    rows = [row(k, count) for k, count in enumerate(counts)]
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=FEATURES).to_parquet(folder / f"{split}-00000.parquet")
    return folder


def save_siglip(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 40, **SMALL}
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    vision = {"image_size": SIDE, "patch_size": PATCH, **SMALL}
    config = SiglipConfig(text_config=text | special, vision_config=vision)
    SiglipModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    SiglipProcessor(SiglipImageProcessor(size=size), tokenizer).save_pretrained(folder)


SAVERS = {"clip": save_clip, "siglip": save_siglip}
