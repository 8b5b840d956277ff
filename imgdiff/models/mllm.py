"""The mllm role: answers a question about a picture (any image-text-to-text model of
transformers)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.zoo import Checkpoint


class Mllm:
    """Greedy answers, batched; an answer does not depend on what shares its batch (left padding,
    masked)."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "Mllm":
        from transformers import AutoModelForImageTextToText, AutoProcessor

        model = AutoModelForImageTextToText.from_pretrained(**weights(checkpoint)).to(
            device_of(checkpoint)
        )
        return cls(model, AutoProcessor.from_pretrained(**place(checkpoint)))

    @torch.inference_mode()
    def answer(
        self, pictures: Sequence[np.ndarray], questions: Sequence[str], max_new_tokens: int
    ) -> list[str]:
        """One answer for each picture ([H, W, 3] uint8 RGB) and the question beside it."""
        conversations = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": Image.fromarray(picture)},
                        {"type": "text", "text": question},
                    ],
                }
            ]
            for picture, question in zip(pictures, questions, strict=True)
        ]
        batch = self.processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            # captions in the question are model output: an "<image>" in them must stay plain text
            sanitize_control_tokens=True,
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.model.device)
        batch["pixel_values"] = batch["pixel_values"].to(self.model.dtype)
        made = self.model.generate(**batch, do_sample=False, max_new_tokens=max_new_tokens)
        new = made[:, batch["input_ids"].shape[1] :]
        return [text.strip() for text in self.processor.batch_decode(new, skip_special_tokens=True)]
