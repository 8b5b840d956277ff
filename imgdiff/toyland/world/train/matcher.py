"""The embedded image-text matcher: BLIP with its contrastive (ITC) and its matching head (ITM), 96
px.

Data: crops of things and of empty ground with nouns (`car`, `a car`) and phrases (`a red car`),
right and nearly right. Loss: sigmoid contrastive over the batch, where a noun fits every crop of
its kind; cross-entropy for the matching head, on the right text and on one that errs in category,
in colour, or in both; and a label for every patch (category, colour), which teaches a small tower
shapes far sooner than texts alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
    BlipProcessor,
)

from imgdiff.toyland.train.clip import MEAN, STD
from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.tokenizer import wordpiece_vocabulary
from imgdiff.toyland.world.views import ground_crop, thing_crop
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS, GROUNDS, HELD_OUT, with_article

SIDE, PATCH, WIDTH = 96, 12, 160
GRID = SIDE // PATCH
BATCH = 48
GROUND_SHARE = 0.1  # of crops
WRONG = {"category": 0.45, "colour": 0.25, "both": 0.2, "ground": 0.1}  # how texts err, as shares
ShownThing = tuple[str, str]  # category (or ground) and colour (empty for ground)


def new_model() -> BlipForImageTextRetrieval:
    tokens = BertTokenizer(vocab=wordpiece_vocabulary())
    return BlipForImageTextRetrieval(
        BlipConfig(
            text_config={
                "vocab_size": len(tokens),
                "hidden_size": WIDTH,
                "encoder_hidden_size": WIDTH,
                "intermediate_size": 4 * WIDTH,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 96,
                "bos_token_id": tokens.cls_token_id,
                "eos_token_id": tokens.sep_token_id,
                "pad_token_id": tokens.pad_token_id,
                "sep_token_id": tokens.sep_token_id,
            },
            vision_config={
                "image_size": SIDE,
                "patch_size": PATCH,
                "hidden_size": WIDTH,
                "intermediate_size": 4 * WIDTH,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
            },
            image_text_hidden_size=96,
            projection_dim=96,
        )
    )


def processor() -> BlipProcessor:
    size = {"height": SIDE, "width": SIDE}
    pictures = BlipImageProcessor(size=size, image_mean=MEAN, image_std=STD)
    return BlipProcessor(pictures, BertTokenizer(vocab=wordpiece_vocabulary(), model_max_length=96))


@dataclass(frozen=True)
class Crops:
    """A batch: pictures [BATCH, SIDE, SIDE, 3] uint8, what they show, and labels of their patches
    [BATCH, GRID, GRID, 2]."""

    pictures: np.ndarray
    shown: list[ShownThing]
    labels: np.ndarray


def crops(rng: np.random.Generator) -> Crops:
    """Most show a thing, the others ground."""
    pictures, shown, labels = [], [], []
    for _ in range(BATCH):
        scene = sample_scene(rng)
        if rng.random() < GROUND_SHARE:
            seen, what = ground_crop(scene, rng), (scene.ground, "")
        else:
            k = int(rng.integers(len(scene.things)))
            thing = scene.things[k]
            seen, what = thing_crop(scene, rng, k), (thing.category, thing.colour)
        pictures.append(seen.resized(SIDE))
        shown.append(what)
        labels.append(seen.patch_labels(GRID))
    return Crops(np.stack(pictures), shown, np.stack(labels))


def say(noun: str, colour: str, rng: np.random.Generator) -> str:
    """`car`, `a car`, `red car`, `a red car.`, `nothing but grass`."""
    stop = "." * (rng.random() < 0.3)  # an MLLM's sentences have one
    if noun in GROUNDS:
        return f"nothing but {noun}{stop}"
    words = f"{colour} {noun}".strip()
    return (with_article(words) if rng.random() < 0.6 else words) + stop


def texts(
    shown: Sequence[ShownThing], rng: np.random.Generator
) -> tuple[list[ShownThing], list[ShownThing]]:
    """For every picture what is said of it, rightly and wrongly; an empty colour says the noun
    alone. No text names a combination that is held out."""
    right = [(noun, colour if rng.random() < 0.6 else "") for noun, colour in shown]
    return right, [_wrong(*pair, rng) for pair in zip(shown, right, strict=True)]


def _wrong(shown: ShownThing, said: ShownThing, rng: np.random.Generator) -> ShownThing:
    noun, colour = shown
    kind = str(rng.choice(list(WRONG), p=list(WRONG.values())))
    if noun in GROUNDS:
        kind = "both"
    elif kind == "colour" and not said[1]:
        kind = "category"
    if kind == "ground":
        return str(rng.choice(list(GROUNDS))), ""
    while True:
        other = str(rng.choice([c for c in CATEGORIES if c != noun]))
        another = str(rng.choice([c for c in COLOURS if c != colour]))
        both = another if rng.random() < 0.6 else ""
        wrong = {"category": (other, said[1]), "colour": (noun, another), "both": (other, both)}
        if wrong[kind] not in HELD_OUT:
            return wrong[kind]


def fits(text: ShownThing, shown: ShownThing) -> bool:
    return text[0] == shown[0] and text[1] in ("", shown[1])


class MatcherStudent(nn.Module):
    """The matcher and the heads that read its patches; only the matcher is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.blip = new_model()
        self.scale = nn.Parameter(torch.tensor(2.3))  # log of the logit scale
        self.bias = nn.Parameter(torch.tensor(-6.0))
        self.category = nn.Linear(WIDTH, len(CATEGORIES) + 1)
        self.colour = nn.Linear(WIDTH, len(COLOURS) + 1)


def train(folder: Path, steps: int) -> BlipForImageTextRetrieval:
    torch.manual_seed(0)
    student, process = MatcherStudent().to(device()), processor()
    mean, std = (torch.tensor(v, device=device()).view(1, 3, 1, 1) for v in (MEAN, STD))

    def losses(step: int) -> dict[str, Tensor]:
        rng = generator("train", step)
        batch = crops(rng)
        right, wrong = texts(batch.shown, rng)
        raw = torch.from_numpy(batch.pictures).to(device()).permute(0, 3, 1, 2).float() / 255
        blip = student.blip
        seen = blip.vision_model((raw - mean) / std).last_hidden_state
        said = [say(*text, rng) for text in right + wrong]
        tokens = process.tokenizer(said, padding=True, return_tensors="pt").to(device())
        ids, mask = tokens["input_ids"], tokens["attention_mask"]

        alone = blip.text_encoder(ids, attention_mask=mask).last_hidden_state[:, 0]
        text = F.normalize(blip.text_proj(alone).float(), dim=-1)
        image = F.normalize(blip.vision_proj(seen[:, 0]).float(), dim=-1)
        logits = student.scale.exp() * image @ text.T + student.bias
        match = torch.tensor(
            [[fits(t, s) for t in right + wrong] for s in batch.shown], device=device()
        )
        itc = F.binary_cross_entropy_with_logits(
            logits, match.float(), pos_weight=torch.tensor(4.0, device=device())
        )

        both = torch.cat([seen, seen])
        joint = blip.text_encoder(
            ids,
            attention_mask=mask,
            encoder_hidden_states=both,
            encoder_attention_mask=torch.ones(both.shape[:2], dtype=torch.long, device=device()),
        ).last_hidden_state[:, 0]
        verdict = blip.itm_head(joint).float()
        truth = torch.tensor([1] * BATCH + [0] * BATCH, device=device())
        labels = torch.from_numpy(batch.labels).to(device()).flatten(0, 2)
        patches = seen[:, 1:].flatten(0, 1)
        return {
            "itc": itc,
            "itm": F.cross_entropy(verdict, truth),
            "category": F.cross_entropy(student.category(patches).float(), labels[:, 0]),
            "colour": F.cross_entropy(student.colour(patches).float(), labels[:, 1]),
        }

    fit(student, losses, Schedule(steps=steps, lr=1e-3), folder)
    return student.blip
