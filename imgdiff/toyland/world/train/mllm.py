"""The embedded MLLM: LLaVA with the embedded CLIP's tower (frozen), a projector and a three-layer
Llama.

Data: conversations drawn afresh, all of them true: region captions; differences of pairs, joined or
as two pictures, marked or all to be listed; scene captions and questions, several in one
conversation, since its picture is most of what a sequence costs. Loss: next-token cross-entropy on
the answers alone.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    CLIPModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from imgdiff.toyland.train.clip import MEAN, SIDE, STD, pixels
from imgdiff.toyland.train.loop import Schedule, device, fit, use_fast_attention
from imgdiff.toyland.train.mllm import TEMPLATE
from imgdiff.toyland.world.conversations import Conversation, conversation
from imgdiff.toyland.world.sampling import generator
from imgdiff.toyland.world.tokenizer import chat_tokenizer
from imgdiff.toyland.world.train.clip import GRID, PATCH

BATCH = 24
WIDTH, LAYERS, HEADS = 224, 4, 7
LONGEST = 1024  # tokens of a conversation, pictures included


def processor() -> LlavaProcessor:
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": SIDE},
            crop_size={"height": SIDE, "width": SIDE},
            image_mean=MEAN,
            image_std=STD,
        ),
        tokenizer=chat_tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def new_model(clip: CLIPModel) -> LlavaForConditionalGeneration:
    tokenizer = chat_tokenizer()
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=clip.config.vision_config,
            text_config=LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=3 * WIDTH,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                max_position_embeddings=LONGEST,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                tie_word_embeddings=True,
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            image_seq_length=GRID * GRID,
            vision_feature_layer=-1,
            tie_word_embeddings=True,
        )
    )
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.model.vision_tower.load_state_dict(clip.vision_model.state_dict())
    model.model.vision_tower.requires_grad_(False)
    return model


def encode_talks(tokenizer: Any, talks: list[Conversation]) -> dict[str, Tensor]:
    """Right-padded ids and labels [N, T]; labels are -100 but on the answers and their end
    tokens."""
    image = "<image>" * (GRID * GRID) + "\n"
    ids: list[list[int]] = []
    labels: list[list[int]] = []
    for talk in talks:
        row: list[int] = []
        wanted: list[int] = []
        for k, (question, answer) in enumerate(talk.turns):
            shown = "" if k else image * len(talk.images)
            asked = tokenizer(f"USER: {shown}{question} ASSISTANT:")["input_ids"]
            told = tokenizer(f" {answer}</s>")["input_ids"]
            row += asked + told
            wanted += [-100] * len(asked) + told
        ids.append(row)
        labels.append(wanted)
    length = max(map(len, ids))
    return {
        "input_ids": torch.tensor([row + [0] * (length - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(r) + [0] * (length - len(r)) for r in ids]),
        "labels": torch.tensor([row + [-100] * (length - len(row)) for row in labels]),
    }


def train(folder: Path, steps: int, clip: Path) -> LlavaForConditionalGeneration:
    """Train on the tower of the CLIP in folder `clip`."""
    torch.manual_seed(0)
    model = new_model(CLIPModel.from_pretrained(clip, dtype=torch.float32)).to(device())
    use_fast_attention(model)
    tokenizer = chat_tokenizer()

    def losses(step: int) -> dict[str, Tensor]:
        rngs = [generator("train", step * BATCH + k) for k in range(BATCH)]
        talks = [conversation(rng) for rng in rngs]
        batch = {name: value.to(device()) for name, value in encode_talks(tokenizer, talks).items()}
        small = [_resized(image) for talk in talks for image in talk.images]
        return {"answer": model(**batch, pixel_values=pixels(small)).loss}

    fit(model, losses, Schedule(steps=steps, lr=1.5e-3), folder)
    return model


def _resized(image: np.ndarray) -> np.ndarray:
    """[SIDE, SIDE, 3] uint8."""
    how = cv2.INTER_AREA if len(image) > SIDE else cv2.INTER_LINEAR
    return cv2.resize(image, (SIDE, SIDE), interpolation=how)
