"""The embedded CLIP: 192 px, patch 16; its tower is also the MLLM's eye.

Data: whole scenes, object crops and empty ground, drawn afresh; a crop's text names the colour
three times in four. Loss: contrastive (every text that fits a picture counts as a positive), and a
label for every patch (category, colour), which teaches a small tower shapes far sooner than
captions alone; joined pairs take part in that, so that the tower has seen things at half size.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from imgdiff.data import images
from imgdiff.toyland.scenes import generator, sample_scene
from imgdiff.toyland.tokenizer import CLIP_LENGTH, clip_tokenizer
from imgdiff.toyland.train.loop import Schedule, device, fit, use_fast_attention
from imgdiff.toyland.views import View, view, whole
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS

SIDE, PATCH, WIDTH = 192, 16, 192
GRID = SIDE // PATCH
CONTRASTED, JOINED = 48, 16  # pictures of a batch
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def new_model() -> CLIPModel:
    tokenizer = clip_tokenizer()
    return CLIPModel(
        CLIPConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 128,
                "intermediate_size": 512,
                "num_hidden_layers": 3,
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
                "num_hidden_layers": 4,
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


def joined(rng: np.random.Generator) -> View:
    """Two scenes side by side on a square, as difference captions show them."""
    left, right = (whole(sample_scene(rng), rng) for _ in range(2))
    picture = images.pad_to_square(images.side_by_side(left.image, right.image))
    bar = picture.shape[1] - left.labels.shape[1] - right.labels.shape[1]
    gap = np.zeros((left.labels.shape[0], bar, 2), np.uint8)
    labels = np.concatenate([left.labels, gap, right.labels], axis=1)
    return View(picture, (), images.pad_to_square(labels, fill=0))


def pixels(pictures: Sequence[np.ndarray]) -> Tensor:
    """[N, 3, SIDE, SIDE] normalised as the processor does; pictures already have SIDE x SIDE
    pixels."""
    raw = torch.from_numpy(np.stack(pictures)).to(device()).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device()).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (raw - mean) / std


def clip_loss(image: Tensor, text: Tensor, scale: Tensor, fits: Tensor) -> Tensor:
    """CLIP's loss for unit vectors [N, D], where `fits` [N, N] marks the texts (columns) that are
    right for a picture (row); they share the target."""
    logits, match = scale * image.float() @ text.float().T, fits.float()
    return 0.5 * (
        F.cross_entropy(logits, match / match.sum(1, keepdim=True))
        + F.cross_entropy(logits.T, match.T / match.T.sum(1, keepdim=True))
    )


def said(view: View, rng: np.random.Generator) -> str:
    """One of the view's texts, the fullest three times in four."""
    return view.texts[0] if rng.random() < 0.75 else view.texts[-1]


def train(folder: Path, steps: int) -> CLIPModel:
    torch.manual_seed(0)
    student = ClipStudent().to(device())
    use_fast_attention(student.clip)
    tokenizer = clip_tokenizer()

    def losses(step: int) -> dict[str, Tensor]:
        rngs = [
            generator("train", step * (CONTRASTED + JOINED) + k) for k in range(CONTRASTED + JOINED)
        ]
        views = [view(rng) for rng in rngs[:CONTRASTED]] + [
            joined(rng) for rng in rngs[CONTRASTED:]
        ]
        seen = student.clip.vision_model(pixels([v.resized(SIDE) for v in views]))
        shown = views[:CONTRASTED]
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
        labels = (
            torch.from_numpy(np.stack([v.patch_labels(GRID) for v in views]))
            .to(device())
            .flatten(1, 2)
        )
        return {
            "contrastive": clip_loss(
                F.normalize(image, dim=-1), F.normalize(text, dim=-1), scale, fits
            ),
            "category": F.cross_entropy(
                student.category(patches).float().flatten(0, 1), labels[..., 0].flatten()
            ),
            "colour": F.cross_entropy(
                student.colour(patches).float().flatten(0, 1), labels[..., 1].flatten()
            ),
        }

    fit(student, losses, Schedule(steps=steps, lr=1e-3), folder)
    return student.clip
