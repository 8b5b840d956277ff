"""The tokens of one part of a caption, by character offsets."""

from typing import Any

from imgdiff.errors import RowError
from imgdiff.text.words import Span
from imgdiff.training.answers import IGNORED, Encoded, encode_example
from imgdiff.training.conversations import TrainingExample


def encode_part(processor: Any, example: TrainingExample, part: Span | None) -> Encoded:
    """A question and its answer up to the end of `part`, whose tokens alone are labelled; what
    stands before it is context. Without a part all of the answer is labelled, and its one end
    token.

    Args:
        example: one question and one answer.
        part: characters of the answer.

    Raises:
        RowError: as `answers.encode_example`; or no token of the answer lies in the part.
    """
    encoded = encode_example(processor, example)
    if part is None:
        return encoded
    labels = encoded.tokens["labels"].clone()
    told = (labels != IGNORED).nonzero().flatten()[:-1].tolist()  # without the end token
    answer = example.turns[-1][1]
    spans = _offsets(processor, example, labels[told].tolist())
    inside = [
        place
        for place, (start, end) in zip(told, spans, strict=True)
        if answer[max(start, part.start) : min(end, part.end)].strip()
    ]
    if not inside:
        raise RowError("no_token", f"{example.id}: no token in {part.of(answer)!r}")
    labels[: inside[0]] = labels[inside[-1] + 1 :] = IGNORED
    tokens = encoded.tokens | {"labels": labels}
    cut = {name: value[: inside[-1] + 1] for name, value in tokens.items()}
    return Encoded(cut, encoded.pictures)


def _offsets(processor: Any, example: TrainingExample, ids: list[int]) -> list[tuple[int, int]]:
    """Where in the answer each of its tokens stands, as the tokenizer maps them: blanks before a
    word belong to its token or to none."""
    written, asked = (
        processor.tokenizer.apply_chat_template(
            example.messages()[:count],
            chat_template=processor.chat_template,
            tokenize=False,
            add_generation_prompt=count == 1,
        )
        for count in (2, 1)
    )
    answer = example.turns[-1][1]
    begin = written.find(answer, len(asked.rstrip()))
    made = processor.tokenizer(written, add_special_tokens=False, return_offsets_mapping=True)
    tokens, count = made["input_ids"], len(ids)
    places = range(len(tokens) - count, -1, -1)  # from the end, where the answer stands
    first = next((k for k in places if tokens[k : k + count] == ids), None)
    if begin < 0 or first is None:
        raise RowError("template", f"{example.id}: the chat template rewrites the answer")
    spans = made["offset_mapping"][first : first + count]
    return [(start - begin, end - begin) for start, end in spans]
