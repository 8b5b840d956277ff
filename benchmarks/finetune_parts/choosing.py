"""Which of several answers a model finds likelier: multiple choice for models that do not speak in
letters."""

from collections.abc import Sequence

import numpy as np
import torch

from imgdiff.data.conversations import IMAGE
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.training.answers import IGNORED, collate, encode_example
from imgdiff.training.conversations import TrainingExample


def with_options(question: str, options: Sequence[str]) -> str:
    """The text of a prompt that `choose` answers."""
    return "\n".join((question, *options))


def choose(mllm: ImageTextToText, questions: Sequence[Question], limit: int = 0) -> list[str]:
    """Of each question's options the likeliest as an answer to it.

    Args:
        questions: about one picture each, their texts as `with_options` makes them; all have as
            many options.
        limit: of new tokens, which `imgdiff.evaluation.asking.ask` names; an option has its own
            length.
    """
    split = [question.text.split("\n") for question in questions]
    examples = [
        TrainingExample(
            "", [*asked.pictures], [("user", f"{IMAGE}\n{text}"), ("assistant", option)]
        )
        for asked, (text, *options) in zip(questions, split, strict=True)
        for option in options
    ]
    chances = likelihoods(mllm, examples).reshape(len(questions), -1)
    return [options[k] for (_, *options), k in zip(split, chances.argmax(1), strict=True)]


@torch.inference_mode()
def likelihoods(mllm: ImageTextToText, examples: Sequence[TrainingExample]) -> np.ndarray:
    """[N] float32: log likelihood of each example's answers, summed over their tokens."""
    processor = mllm.processor
    encoded = [encode_example(processor, example) for example in examples]
    batch = collate(encoded, processor.tokenizer.pad_token_id)
    labels = batch.pop("labels")[:, 1:]
    batch = {name: value.to(mllm.model.device) for name, value in batch.items()}
    batch["pixel_values"] = batch["pixel_values"].to(mllm.model.dtype)
    logits = mllm.model(**batch).logits[:, :-1].float().cpu()
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return -losses.sum(1).numpy()
