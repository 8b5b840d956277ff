"""The embedded CLIP: 192 px, patch 12; its tower is also the MLLM's eye.

Data: whole scenes, crops of things and empty ground, drawn afresh; a crop's text names the colour
three times in four. Loss: contrastive (every text that fits a picture counts as a positive), and a
label for every patch (category, colour), which teaches a small tower shapes far sooner than
captions alone; joined pairs take part in that, so that the tower has seen things at half size.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from imgdiff.toyland.train.clip import MEAN, SIDE, STD, clip_loss, pixels, said
from imgdiff.toyland.train.loop import Schedule, device, fit, use_fast_attention
from imgdiff.toyland.world.sampling import generator
from imgdiff.toyland.world.tokenizer import CLIP_LENGTH, clip_tokenizer
from imgdiff.toyland.world.views import joined, view
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS

PATCH, WIDTH, LAYERS = 12, 192, 4
TEXT_WIDTH, TEXT_LAYERS = 128, 3
GRID = SIDE // PATCH
CONTRASTED, JOINED = 40, 8  # pictures of a batch


def new_model() -> CLIPModel:
    tokenizer = clip_tokenizer()
    return CLIPModel(
        CLIPConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": TEXT_WIDTH,
                "intermediate_size": 4 * TEXT_WIDTH,
                "num_hidden_layers": TEXT_LAYERS,
                "num_attention_heads": 4,
                "max_position_embeddings": CLIP_LENGTH,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "image_size": SIDE,
                "patch_size": PATCH,
                "hidden_size": WIDTH,
                "intermediate_size": 4 * WIDTH,
                "num_hidden_layers": LAYERS,
                "num_attention_heads": 6,
            },
            projection_dim=128,
        )
    )


def processor() -> CLIPProcessor:
    return CLIPProcessor(
        CLIPImageProcessor(
            size={"shortest_edge": SIDE},
            crop_size={"height": SIDE, "width": SIDE},
            image_mean=MEAN,
            image_std=STD,
        ),
        clip_tokenizer(),
    )


class ClipStudent(nn.Module):
    """CLIP and the heads that read its patches; only CLIP is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.clip = new_model()
        self.category = nn.Linear(WIDTH, len(CATEGORIES) + 1)
        self.colour = nn.Linear(WIDTH, len(COLOURS) + 1)


def train(folder: Path, steps: int) -> CLIPModel:
    torch.manual_seed(0)
    student = ClipStudent().to(device())
    use_fast_attention(student.clip)
    tokenizer = clip_tokenizer()
    batch = CONTRASTED + JOINED

    def losses(step: int) -> dict[str, Tensor]:
        rngs = [generator("train", step * batch + k) for k in range(batch)]
        shown = [view(rng) for rng in rngs[:CONTRASTED]]
        views = shown + [joined(rng) for rng in rngs[CONTRASTED:]]
        seen = student.clip.vision_model(pixels([v.resized(SIDE) for v in views]))
        captions = [said(v, rng) for v, rng in zip(shown, rngs, strict=False)]
        fits = torch.tensor([[c in v.texts for c in captions] for v in shown], device=device())
        # an MLLM's sentences end with a full stop, people's captions often do not
        written = [
            text + "." * (rng.random() < 0.3) for text, rng in zip(captions, rngs, strict=False)
        ]
        tokens = tokenizer(written, padding=True, return_tensors="pt").to(device())
        text = student.clip.text_projection(student.clip.text_model(**tokens).pooler_output)
        image = student.clip.visual_projection(seen.pooler_output[:CONTRASTED])
        scale = student.clip.logit_scale.exp().clamp(max=100)
        patches = seen.last_hidden_state[:, 1:]
        labels = np.stack([v.patch_labels(GRID) for v in views])
        truth = torch.from_numpy(labels).to(device()).flatten(0, 2)
        return {
            "contrastive": clip_loss(
                F.normalize(image, dim=-1), F.normalize(text, dim=-1), scale, fits
            ),
            "category": F.cross_entropy(
                student.category(patches).float().flatten(0, 1), truth[:, 0]
            ),
            "colour": F.cross_entropy(student.colour(patches).float().flatten(0, 1), truth[:, 1]),
        }

    fit(student, losses, Schedule(steps=steps, lr=1e-3), folder)
    return student.clip
