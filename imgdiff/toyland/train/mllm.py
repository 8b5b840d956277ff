"""The embedded MLLM: LLaVA with the embedded CLIP's tower (frozen), a projector and a three-layer
Llama.

Data: region captions, difference captions on joined pairs, scene captions, yes/no questions, drawn
afresh. Loss: next-token cross-entropy on the answers alone.
"""

from pathlib import Path

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

from imgdiff.toyland.conversations import Turn, turn
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.tokenizer import chat_tokenizer
from imgdiff.toyland.train.clip import GRID, MEAN, PATCH, SIDE, STD, pixels
from imgdiff.toyland.train.loop import Schedule, device, fit, use_fast_attention

BATCH = 32
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


def encode(tokenizer: object, turns: list[Turn]) -> dict[str, Tensor]:
    """Right-padded ids and labels [N, T]; labels are -100 but on the answers and their end
    token."""
    image = "<image>" * (GRID * GRID)
    asked = [f"USER: {image}\n{t.question} ASSISTANT:" for t in turns]
    answered = [f" {t.answer}</s>" for t in turns]
    ids = [tokenizer(text)["input_ids"] for text in asked]  # type: ignore[operator]
    ends = [tokenizer(text)["input_ids"] for text in answered]  # type: ignore[operator]
    length = max(len(i) + len(e) for i, e in zip(ids, ends, strict=True))
    input_ids = torch.zeros(len(turns), length, dtype=torch.long)
    labels = torch.full((len(turns), length), -100)
    mask = torch.zeros(len(turns), length, dtype=torch.long)
    for k, (question, answer) in enumerate(zip(ids, ends, strict=True)):
        stop = len(question) + len(answer)
        input_ids[k, :stop] = torch.tensor(question + answer)
        labels[k, len(question) : stop] = torch.tensor(answer)
        mask[k, :stop] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def train(folder: Path, steps: int, clip: Path) -> LlavaForConditionalGeneration:
    """Train on the tower of the CLIP in folder `clip`."""
    torch.manual_seed(0)
    model = new_model(CLIPModel.from_pretrained(clip, dtype=torch.float32)).to(device())
    use_fast_attention(model)
    tokenizer = chat_tokenizer()

    def losses(step: int) -> dict[str, Tensor]:
        turns = [turn(generator("train", step * BATCH + k)) for k in range(BATCH)]
        small = [
            cv2.resize(t.image, (SIDE, SIDE), interpolation=_resampling(t.image)) for t in turns
        ]
        batch = {name: value.to(device()) for name, value in encode(tokenizer, turns).items()}
        return {"answer": model(**batch, pixel_values=pixels(small)).loss}

    fit(model, losses, Schedule(steps=steps, lr=1.5e-3), folder)
    return model


def _resampling(image: np.ndarray) -> int:
    return cv2.INTER_AREA if len(image) > SIDE else cv2.INTER_LINEAR
