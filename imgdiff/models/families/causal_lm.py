"""The llm role: a chat model without pictures (any causal language model of transformers)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from imgdiff.models.chat import GREEDY, kv_bytes_per_token, opening, switched_off
from imgdiff.models.loading import device_of, place, weights
from imgdiff.models.memory import parts_of, tower_bytes
from imgdiff.models.zoo import Checkpoint
from imgdiff.text.answers import without_thoughts


class CausalLm:
    """Answers drawn at random, each from a seed of its own, whatever shares its batch."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "CausalLm":
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(**weights(checkpoint))
        tokenizer = AutoTokenizer.from_pretrained(**place(checkpoint), padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model.to(device_of(checkpoint)), tokenizer)

    @torch.inference_mode()
    def answer(
        self,
        questions: Sequence[str],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
    ) -> list[str]:
        """One answer for each question; what is drawn at random comes from the seed beside it.

        Args:
            temperature: of the sampling; at 0 the likeliest token is taken.

        Raises:
            RowError: a model that thinks has done nothing else.
        """
        asked = list(zip(questions, seeds, strict=True))
        costs = [self._bytes_for(question, max_new_tokens) for question in questions]
        work = partial(self._answer, max_new_tokens, temperature)
        return parts_of(self.model).run(asked, costs, work)

    def _bytes_for(self, question: str, max_new_tokens: int) -> float:
        """What a question takes in memory until it is answered: its KV cache, and the pass over its
        own tokens."""
        tokens, itemsize = len(self.tokenizer(question)["input_ids"]), self.model.dtype.itemsize
        kept = (tokens + max_new_tokens) * kv_bytes_per_token(self.model.config, itemsize)
        return kept + tower_bytes(self.model.config, tokens, itemsize)

    def _answer(
        self, max_new_tokens: int, temperature: float, asked: Sequence[tuple[str, int]]
    ) -> list[str]:
        questions, seeds = zip(*asked, strict=True)
        batch = self.tokenizer.apply_chat_template(
            [[{"role": "user", "content": question}] for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
            **switched_off(self.tokenizer.chat_template),
        ).to(self.model.device)
        noise = [GumbelNoise(seeds, temperature)] if temperature > 0 else []
        made = self.model.generate(
            **batch,
            **GREEDY,
            max_new_tokens=max_new_tokens,
            logits_processor=LogitsProcessorList(noise),
            pad_token_id=self.tokenizer.pad_token_id,
        )
        given = batch["input_ids"]
        before = opening(self.tokenizer, given[0])
        said = self.tokenizer.batch_decode(made[:, given.shape[1] :], skip_special_tokens=True)
        return [without_thoughts(before + text) for text in said]


class GumbelNoise(LogitsProcessor):
    """Turns greedy decoding into sampling: the largest of logits / temperature + Gumbel noise is a
    draw from their softmax (Gumbel 1954). Every row has a generator of its own."""

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        drawn = [
            torch.empty(scores.shape[1]).exponential_(generator=generator)
            for generator in self._generators
        ]
        noise = -torch.stack(drawn).log().to(scores.device)
        return scores.float() / self._temperature + noise
