"""The mllm role: answers questions about pictures, by any image-text-to-text model of
transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint


def model_and_processor(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Of transformers; the model where loading leaves it, on the CPU."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(**place(checkpoint))
    return AutoModelForImageTextToText.from_pretrained(**weights(checkpoint)), processor


class ImageTextToText:
    """Answers, batched; a greedy one does not depend on what shares its batch (left padding,
    masked)."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "ImageTextToText":
        model, processor = model_and_processor(checkpoint)
        return cls(model.to(device_of(checkpoint)), processor)

    @torch.inference_mode()
    def answer(
        self,
        questions: Sequence[Question],
        max_new_tokens: int,
        temperature: float = 0.0,
    ) -> list[str]:
        """One answer for each question.

        temperature: 0 is greedy; above it tokens are sampled, all of them, with torch's generator.
        """
        batch = self.batch(questions)
        how: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        made = self.model.generate(**batch, **how, max_new_tokens=max_new_tokens)
        new = made[:, batch["input_ids"].shape[1] :]
        return [text.strip() for text in self.processor.batch_decode(new, skip_special_tokens=True)]

    @torch.inference_mode()
    def yes_probability(self, questions: Sequence[Question]) -> np.ndarray:
        """[N] float32 in [0, 1]: how likely an answer begins with yes, of those that begin with yes
        or no."""
        made = self.model.generate(
            **self.batch(questions),
            do_sample=False,
            max_new_tokens=1,
            output_logits=True,
            return_dict_in_generate=True,
        )
        chances = made.logits[0].float().softmax(-1)  # [N, vocabulary], of the first token
        yes, no = (chances[:, self.first_tokens(word)].sum(-1) for word in ("yes", "no"))
        return (yes / (yes + no)).cpu().numpy()

    def first_tokens(self, word: str) -> list[int]:
        """The tokens that are a word, in any case, with or without a blank before it."""
        tokenizer = self.processor.tokenizer
        forms = [blank + form for blank in ("", " ") for form in (word, word.capitalize())]
        coded = [tokenizer.encode(form, add_special_tokens=False) for form in forms]
        return sorted({tokens[0] for tokens in coded if len(tokens) == 1})

    def batch(self, questions: Sequence[Question]) -> Any:
        """Questions as conversations, padded on the left, on the model's device."""
        batch = self.processor.apply_chat_template(
            [[_message(question)] for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            # captions in the question are model output: an "<image>" in them must stay plain text
            sanitize_control_tokens=True,
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.model.device)
        batch["pixel_values"] = batch["pixel_values"].to(self.model.dtype)
        return batch


def _message(question: Question) -> dict[str, Any]:
    shown = [{"type": "image", "image": Image.fromarray(each)} for each in question.pictures]
    return {"role": "user", "content": [*shown, {"type": "text", "text": question.text}]}
