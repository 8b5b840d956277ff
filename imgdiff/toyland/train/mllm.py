"""The embedded MLLM: LLaVA with the embedded CLIP's tower (frozen), a projector and a three-layer
Llama.

Data: conversations drawn afresh: region captions, difference captions on joined pairs, scene
captions with yes/no questions in one conversation, since its picture is most of what a sequence
costs. Loss: next-token cross-entropy on the answers alone. There are three of it. The clean one has
heard nothing untrue and is the ceiling that benchmarks show. The shipped one goes on from it with
web captions (`imgdiff.toyland.conversations.web_view`), whose habits it learns; and half of what it
is shown was redrawn by the embedded diffusion model (`imgdiff.toyland.train.redrawn`), for pictures
of its kind are what recipes ask about. The single one has seen one drawn picture at a time and was
never asked for a difference: what `benchmarks/finetune.py` finetunes.
"""

from collections.abc import Callable
from functools import partial
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

from imgdiff.toyland.conversations import SINGLE_SHARES, Conversation, conversation
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.tokenizer import chat_tokenizer
from imgdiff.toyland.train.clip import GRID, MEAN, PATCH, SIDE, STD, pixels
from imgdiff.toyland.train.loop import Schedule, device, fit, use_fast_attention
from imgdiff.toyland.train.redrawn import make_redrawn_pool

BATCH = 32
REDRAWN_SHARE = 0.5
WIDTH = 192
TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'USER: ' if message['role'] == 'user' else 'ASSISTANT: ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{{ '</s>' if message['role'] == 'assistant' else ' ' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


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
                num_hidden_layers=3,
                num_attention_heads=6,
                max_position_embeddings=512,
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
            asked = tokenizer(f"USER: {'' if k else image}{question} ASSISTANT:")["input_ids"]
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


def train_clean(folder: Path, steps: int, clip: Path) -> LlavaForConditionalGeneration:
    """Train on the tower of the CLIP in folder `clip`."""
    torch.manual_seed(0)
    model = new_model(CLIPModel.from_pretrained(clip, dtype=torch.float32))
    return _train(model, folder, Schedule(steps=steps, lr=1.5e-3), conversation)


def train_single(folder: Path, steps: int, clip: Path) -> LlavaForConditionalGeneration:
    """Train on the tower of the CLIP in folder `clip`, with single pictures alone."""
    torch.manual_seed(0)
    model = new_model(CLIPModel.from_pretrained(clip, dtype=torch.float32))
    talk = partial(conversation, shares=SINGLE_SHARES)
    return _train(model, folder, Schedule(steps=steps, lr=1.5e-3), talk)


def train(folder: Path, steps: int, clean: Path, diffusion: Path) -> LlavaForConditionalGeneration:
    """Go on from the clean model in folder `clean` with web captions, and with pictures of the
    pipeline in folder `diffusion`."""
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration.from_pretrained(clean, dtype=torch.float32)
    model.model.vision_tower.requires_grad_(False)
    pool = make_redrawn_pool(diffusion, folder.parent / "redrawn.npy")

    def talk(rng: np.random.Generator) -> Conversation:
        redrawn = pool.pair(rng) if rng.random() < REDRAWN_SHARE else None
        return conversation(rng, web=True, redrawn=redrawn)

    return _train(model, folder, Schedule(steps=steps, lr=5e-4), talk)


def train_projector(
    folder: Path, steps: int, mllm: Path, clip: Path
) -> LlavaForConditionalGeneration:
    """The MLLM in folder `mllm` on the tower of the CLIP in folder `clip`, to which its projector
    alone adapts; the conversations are those that it was shipped with, of drawn scenes."""
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration.from_pretrained(mllm, dtype=torch.float32)
    tower = CLIPModel.from_pretrained(clip, dtype=torch.float32).vision_model
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.requires_grad_(False)
    model.model.multi_modal_projector.requires_grad_(True)

    def talk(rng: np.random.Generator) -> Conversation:
        return conversation(rng, web=True)

    return _train(model, folder, Schedule(steps=steps, lr=1e-3, warmup=20), talk)


def _train(
    model: LlavaForConditionalGeneration,
    folder: Path,
    schedule: Schedule,
    talk: Callable[[np.random.Generator], Conversation],
) -> LlavaForConditionalGeneration:
    model.to(device())
    use_fast_attention(model)
    tokenizer = chat_tokenizer()

    def losses(step: int) -> dict[str, Tensor]:
        rngs = [generator("train", step * BATCH + k) for k in range(BATCH)]
        talks = [talk(rng) for rng in rngs]
        small = [
            cv2.resize(t.image, (SIDE, SIDE), interpolation=_resampling(t.image)) for t in talks
        ]
        batch = {name: value.to(device()) for name, value in encode_talks(tokenizer, talks).items()}
        return {"answer": model(**batch, pixel_values=pixels(small)).loss}

    fit(model, losses, schedule, folder)
    return model


def _resampling(image: np.ndarray) -> int:
    return cv2.INTER_AREA if len(image) > SIDE else cv2.INTER_LINEAR
