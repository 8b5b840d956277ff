"""The mllm role: answers questions about pictures, by any image-text-to-text model of
transformers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgdiff.models.asking import LEAST_SURE, AskingProfile
from imgdiff.models.chat import GREEDY, kv_bytes_per_token, opening, switched_off
from imgdiff.models.kinds import family_of
from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.memory import parts_of, tower_bytes
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint
from imgdiff.text.answers import without_thoughts

USUAL_TOKENS = 3000  # of a picture, where they cannot be told


def model_and_processor(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Of transformers; the model where loading leaves it, on the CPU."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(**place(checkpoint))
    return AutoModelForImageTextToText.from_pretrained(**weights(checkpoint)), processor


def profile_of(checkpoint: Checkpoint, processor: Any) -> AskingProfile:
    """How the model of a checkpoint is asked."""
    made: AskingProfile = family_of("mllm", checkpoint).plays(processor.image_processor)
    return made


class ImageTextToText:
    """Answers, batched; a greedy one does not depend on what shares its batch (left padding,
    masked).

    Args:
        profile: how it is asked.
    """

    def __init__(self, model: Any, processor: Any, profile: AskingProfile) -> None:
        self.model, self.processor, self.profile = model.eval(), processor, profile
        _keep_marks(processor.tokenizer, profile.marks)

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, profile: type[AskingProfile] | None = None
    ) -> "ImageTextToText":
        """profile: None for that of the family which takes the checkpoint."""
        model, processor = model_and_processor(checkpoint)
        asked = profile(processor.image_processor) if profile else profile_of(checkpoint, processor)
        return cls(model.to(device_of(checkpoint)), processor, asked)

    @torch.inference_mode()
    def answer(
        self,
        questions: Sequence[Question],
        max_new_tokens: int,
        temperature: float = 0.0,
    ) -> list[str]:
        """One answer for each question.

        temperature: 0 is greedy; above it tokens are sampled, all of them, with torch's generator.

        Raises:
            RowError: a model that thinks has done nothing else.
        """
        how = GREEDY
        if temperature > 0:
            how = GREEDY | {"do_sample": True, "temperature": temperature, "top_k": 0}
        costs = [self.bytes_for(question, max_new_tokens) for question in questions]
        work = partial(self._answer, how, max_new_tokens)
        return parts_of(self.model).run(questions, costs, work)

    def _answer(
        self, how: dict[str, Any], max_new_tokens: int, questions: Sequence[Question]
    ) -> list[str]:
        batch = self.batch(questions)
        made = self.model.generate(**batch, **how, max_new_tokens=max_new_tokens)
        asked = batch["input_ids"]
        before = opening(self.processor.tokenizer, asked[0])
        said = self.processor.batch_decode(made[:, asked.shape[1] :], skip_special_tokens=True)
        return [without_thoughts(before + text) for text in said]

    @torch.inference_mode()
    def yes_probability(self, questions: Sequence[Question]) -> np.ndarray:
        """[N] float32 in [0, 1]: how likely an answer begins with yes, of those that begin with yes
        or no; NaN where it is likelier to begin with something else."""
        costs = [self.bytes_for(question, 1) for question in questions]
        return np.array(parts_of(self.model).run(questions, costs, self._yes), np.float32)

    def _yes(self, questions: Sequence[Question]) -> np.ndarray:
        made = self.model.generate(
            **self.batch(questions),
            **GREEDY,
            max_new_tokens=1,
            output_logits=True,
            return_dict_in_generate=True,
        )
        chances = made.logits[0].float().softmax(-1)  # [N, vocabulary], of the first token
        yes, no = (chances[:, self.first_tokens(word)].sum(-1) for word in ("yes", "no"))
        sure = torch.where(yes + no < LEAST_SURE, torch.nan, yes / (yes + no))
        found: np.ndarray = sure.cpu().numpy()
        return found

    def first_tokens(self, word: str) -> list[int]:
        """The tokens that are a word, in any case, with or without a blank before it."""
        tokenizer = self.processor.tokenizer
        cases = (word, word.capitalize(), word.upper())
        forms = [blank + form for blank in ("", " ") for form in cases]
        coded = [tokenizer.encode(form, add_special_tokens=False) for form in forms]
        return sorted({tokens[0] for tokens in coded if len(tokens) == 1})

    def tokens(self, question: Question) -> int:
        """How many a question has before it is answered, those of its pictures included."""
        prepared = self.profile.prepared(question)
        sizes = [each.shape[:2] for each in prepared.pictures]
        seen = self.processor._get_num_multimodal_tokens(image_sizes=sizes).num_image_tokens
        text = self.processor.tokenizer.apply_chat_template(
            [_message(prepared)],  # a picture is one token there
            chat_template=self.processor.chat_template,
            add_generation_prompt=True,
            return_dict=False,
            **switched_off(self.processor.chat_template),
        )
        return sum(seen) + len(text) - len(seen)

    def bytes_for(self, question: Question, max_new_tokens: int) -> float:
        """What a question takes in memory until it is answered: its KV cache, and the pass over its
        own tokens."""
        try:
            tokens = self.tokens(question)
        except (AttributeError, NotImplementedError):  # its processor cannot tell
            tokens = USUAL_TOKENS * max(1, len(question.pictures))
        config = self.model.config.get_text_config()
        own = tower_bytes(config, tokens, self.model.dtype.itemsize)
        return (tokens + max_new_tokens) * self.kv_bytes_per_token + own

    @property
    def kv_bytes_per_token(self) -> int:
        return kv_bytes_per_token(self.model.config, self.model.dtype.itemsize)

    def batch(self, questions: Sequence[Question]) -> Any:
        """Questions as conversations, padded on the left, on the model's device."""
        batch = self.processor.apply_chat_template(
            [[_message(self.profile.prepared(question))] for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            # captions in the question are model output: an "<image>" in them must stay plain text
            sanitize_control_tokens=True,
            processor_kwargs={"padding": True, "padding_side": "left"},
            **switched_off(self.processor.chat_template),
        ).to(self.model.device)
        if "pixel_values" in batch:
            batch["pixel_values"] = batch["pixel_values"].to(self.model.dtype)
        return batch


def _keep_marks(tokenizer: Any, marks: Sequence[str]) -> None:
    """Let a family's own tokens be tokens in questions, where all others become plain text."""
    if not marks or "_get_control_tokens" in vars(tokenizer):
        return
    known = tokenizer._get_control_tokens

    def control_tokens(template: str) -> tuple[str, ...]:
        return tuple(token for token in known(template) if token not in marks)

    tokenizer._get_control_tokens = control_tokens


def _message(question: Question) -> dict[str, Any]:
    shown = [{"type": "image", "image": Image.fromarray(each)} for each in question.pictures]
    return {"role": "user", "content": [*shown, {"type": "text", "text": question.text}]}
