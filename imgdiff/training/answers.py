"""Conversations as a model is trained on them: tokens, and labels on the answers alone.

Works with the processor of any image-text-to-text model. Where the answers are is found by
comparing what the chat template makes of a conversation with what it makes of its beginnings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from imgdiff.errors import RowError
from imgdiff.training.conversations import Message, TrainingExample

IGNORED = -100  # as a label: not part of the loss


@dataclass(frozen=True)
class Encoded:
    """An example as tensors.

    tokens: [T] int64 each, `input_ids`, `attention_mask`, `labels` and what else the processor
    gives for every token. pictures: what it gives for pictures (`pixel_values`, their sizes).
    """

    tokens: dict[str, Tensor]
    pictures: dict[str, Tensor]


def encode_example(
    processor: Any, example: TrainingExample, max_length: int | None = None
) -> Encoded:
    """Tokens of an example, ending with the end of the last answer; labels are `IGNORED` but on
    every answer and its one end token.

    Special tokens that texts spell out stay plain text, as when the model is asked.

    Raises:
        RowError: it has more tokens than `max_length` (cutting would go through the picture's), a
            picture after the first answer, or a chat template that rewrites what was said.
    """
    messages = example.messages()
    plain = _tokens(processor, messages)
    ids, labels, first = label_answers(processor, messages, plain)
    made = processor.apply_chat_template(
        messages,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        sanitize_control_tokens=True,
    )
    whole = made["input_ids"][0]  # pictures stand there with all their tokens
    before = len(whole) - (len(plain) - first)  # of them, those before the first answer
    if whole[before:].tolist() != plain[first:]:
        raise RowError("picture_late", f"{example.id}: a picture comes after an answer")
    told = len(ids) - first
    if max_length is not None and before + told > max_length:
        text = f"{example.id} has {before + told} tokens, at most {max_length} are taken"
        raise RowError("too_long", text)
    tokens = {"input_ids": torch.cat([whole[:before], torch.tensor(ids[first:])])}
    tokens["labels"] = torch.tensor([IGNORED] * before + labels[first:])
    pictures = {}
    for name, value in made.items():
        if name != "input_ids" and value.shape == made["input_ids"].shape:
            rest = 1 if name == "attention_mask" else 0  # kinds of tokens: 0 is text
            tokens[name] = pad(value[0][:before], (0, told), value=rest)
        elif name != "input_ids":
            pictures[name] = value
    return Encoded(tokens, pictures)


def label_answers(
    processor: Any, messages: list[Message], plain: list[int]
) -> tuple[list[int], list[int], int]:
    """Tokens up to the end of the last answer, their labels, and where the first answer begins.

    An answer ends with the special token that the chat template puts there, else with the
    tokenizer's end of text. Pictures are one token each.

    Args:
        plain: the conversation's tokens, as the chat template makes them.

    Raises:
        RowError: the template makes another beginning of a longer conversation.
    """
    tokenizer = processor.tokenizer
    special = {k for k, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids: list[int] = []
    labels: list[int] = []
    done, first = 0, len(plain)
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = _tokens(processor, messages[:number], add_generation_prompt=True)
        told = _tokens(processor, messages[: number + 1])
        start, end = (_agree(tokenizer, beginning, plain) for beginning in (asked, told))
        stop = next((k for k in range(start, end) if plain[k] in special), None)
        if stop is None:
            while end > start and not tokenizer.decode(plain[end - 1 : end]).strip():
                end -= 1
            answer = [*plain[start:end], tokenizer.eos_token_id]
        else:
            end = stop + 1
            answer = plain[start:end]
        ids += plain[done:start] + answer
        labels += [IGNORED] * (start - done) + answer
        done, first = end, min(first, start)
    return ids, labels, first


def _agree(tokenizer: Any, beginning: list[int], whole: list[int]) -> int:
    """How many tokens of `beginning` begin `whole`; all but blanks, which merge with what follows
    them."""
    pairs = zip(beginning, whole, strict=False)
    count = next((k for k, (one, other) in enumerate(pairs) if one != other), None)
    if count is None:
        count = min(len(beginning), len(whole))
    if tokenizer.decode(beginning[count:]).strip():
        raise RowError("template", "the chat template rewrites what was said before")
    return count


def _tokens(
    processor: Any, messages: list[Message], add_generation_prompt: bool = False
) -> list[int]:
    """What the chat template makes of messages, a picture being one token."""
    ids: list[int] = processor.tokenizer.apply_chat_template(
        messages,
        chat_template=processor.chat_template,
        tokenize=True,
        return_dict=False,
        sanitize_control_tokens=True,
        add_generation_prompt=add_generation_prompt,
    )
    return ids


def collate(examples: Sequence[Encoded], pad_token_id: int) -> dict[str, Tensor]:
    """A batch, padded on the right: tokens as [N, T]; pictures one after another, padded with zeros
    where they differ in size, as the processors' own batches are."""
    fill = {"input_ids": pad_token_id, "labels": IGNORED}
    batch = {
        name: torch.nn.utils.rnn.pad_sequence(
            [example.tokens[name] for example in examples],
            batch_first=True,
            padding_value=fill.get(name, 0),
        )
        for name in examples[0].tokens
    }
    for name in examples[0].pictures:
        batch[name] = _stack([example.pictures[name] for example in examples])
    return batch


def _stack(tensors: list[Tensor]) -> Tensor:
    """Concatenated along the first dimension, the others padded to the largest."""
    sizes = [max(sizes) for sizes in zip(*(t.shape[1:] for t in tensors), strict=True)]
    grown = []
    for tensor in tensors:
        missing = [(0, want - have) for want, have in zip(sizes, tensor.shape[1:], strict=True)]
        grown.append(pad(tensor, [n for pair in reversed(missing) for n in pair]))
    return torch.cat(grown)
