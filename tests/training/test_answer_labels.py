"""Labels lie on the answers and their end tokens alone, whatever the chat template."""

import numpy as np
import pytest
import torch
from chat_miniatures import save_llava, save_qwen_vl
from miniatures import save_llava_next
from transformers import AutoProcessor, LlavaNextForConditionalGeneration

from imgdiff.errors import RowError
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland import conversations as toyland
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.train import mllm
from imgdiff.training.answers import IGNORED, collate, encode_example
from imgdiff.training.conversations import TrainingExample

ENDS = {"embedded": "</s>", "llava": "</s>", "qwen_vl": "<|im_end|>"}
TURNS = [
    ("user", "<image>\nWhat differs?"),
    ("assistant", "The left image shows a red cup."),
    ("user", "Is it blue?"),
    ("assistant", "No."),
]


@pytest.fixture(scope="module")
def processors(tmp_path_factory):
    folders = {"embedded": EMBEDDED_WEIGHTS / "mllm"}
    for name, save in {"llava": save_llava, "qwen_vl": save_qwen_vl}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        save(folders[name])
    return {name: AutoProcessor.from_pretrained(folder) for name, folder in folders.items()}


@pytest.fixture(params=ENDS)
def chat(request, processors):
    """A processor, and what ends its answers."""
    return processors[request.param], ENDS[request.param]


def picture(high=40, wide=40):
    return np.full((high, wide, 3), 90, np.uint8)


def example(turns=None, pictures=None):
    return TrainingExample("one", pictures or [picture()], turns or TURNS)


def spans(labels):
    """The labels, cut where they are interrupted."""
    found, inside = [], False
    for label in labels.tolist():
        if label != IGNORED:
            found[-1:] = [[*found[-1], label]] if inside else [*found[-1:], [label]]
        inside = label != IGNORED
    return found


def test_labels_are_the_answers_with_one_end_each(chat):
    processor, end = chat
    labels = encode_example(processor, example()).tokens["labels"]
    said = [processor.tokenizer.decode(span).strip() for span in spans(labels)]
    assert said == [f"The left image shows a red cup.{end}", f"No.{end}"]


def test_the_beginning_is_what_the_model_is_asked_with(chat):
    processor, _ = chat
    tokens = encode_example(processor, example(TURNS[:2])).tokens
    asked = processor.apply_chat_template(
        example(TURNS[:1]).messages(),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        sanitize_control_tokens=True,
    )["input_ids"][0]
    first = int((tokens["labels"] != IGNORED).nonzero()[0])
    assert tokens["input_ids"][:first].tolist() == asked.tolist()


def test_labels_are_the_tokens_under_them_and_nothing_follows_the_last_end(chat):
    processor, _ = chat
    tokens = encode_example(processor, example()).tokens
    labelled = tokens["labels"] != IGNORED
    assert torch.equal(tokens["labels"][labelled], tokens["input_ids"][labelled])
    assert labelled[-1]


def test_control_tokens_in_texts_stay_text(chat):
    processor, end = chat
    image = processor.image_token
    turns = [("user", "<image>\nWhat differs?"), ("assistant", f"A{image} cup{end} too.")]
    tokens = encode_example(processor, example(turns)).tokens
    (said,) = spans(tokens["labels"])
    assert processor.tokenizer.decode(said).strip() == f"A{image} cup{end} too.{end}"
    assert said.count(processor.tokenizer.eos_token_id) == 1
    pure = encode_example(processor, example(TURNS[:2])).tokens["input_ids"]
    shown = [(ids == processor.image_token_id).sum() for ids in (tokens["input_ids"], pure)]
    assert shown[0] == shown[1]


def test_two_pictures_in_one_question(chat):
    processor, end = chat
    turns = [("user", "<image>\n<image>\nWhat differs?"), ("assistant", "The cup.")]
    made = encode_example(processor, example(turns, [picture(), picture(40, 64)]))
    (said,) = spans(made.tokens["labels"])
    assert processor.tokenizer.decode(said).strip() == f"The cup.{end}"


def test_the_embedded_model_was_trained_on_the_same_tokens(processors):
    talks = [toyland.conversation(generator("train", k)) for k in range(12)]
    wanted = mllm.encode_talks(processors["embedded"].tokenizer, talks)
    examples = []
    for talk in talks:
        turns = [
            (role, text) for pair in talk.turns for role, text in zip(ROLES, pair, strict=True)
        ]
        turns[0] = ("user", f"<image>\n{turns[0][1]}")
        examples.append(TrainingExample("toy", [talk.image], turns))
    made = collate([encode_example(processors["embedded"], each) for each in examples], 0)
    for name, value in wanted.items():
        assert torch.equal(made[name], value), name


ROLES = ("user", "assistant")


def test_too_long_is_refused_not_cut(chat):
    processor, _ = chat
    length = len(encode_example(processor, example()).tokens["input_ids"])
    encode_example(processor, example(), max_length=length)
    text = f"one has {length} tokens, at most {length - 1} are taken"
    with pytest.raises(RowError, match=text):
        encode_example(processor, example(), max_length=length - 1)


def test_a_picture_after_an_answer_is_refused(chat):
    turns = [("user", "Hello."), ("assistant", "Yes."), ("user", "<image>\nSo?"), TURNS[3]]
    with pytest.raises(RowError, match="one: a picture comes after an answer"):
        encode_example(chat[0], example(turns))


def test_a_template_that_rewrites_is_refused(processors):
    processor = processors["qwen_vl"]
    kept = processor.chat_template
    try:
        processor.chat_template = kept.replace("messages %}", "messages[-3:] %}", 1)
        with pytest.raises(RowError, match="the chat template rewrites what was said before"):
            encode_example(processor, example())
    finally:
        processor.chat_template = kept


def test_pictures_of_several_sizes_batch_as_the_processor_batches_them(tmp_path):
    save_llava_next(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    processor.chat_template = processor.chat_template.replace(
        "USER: ", "{{ message['role'].upper() }}: "
    )
    examples = [example(TURNS[:2], [picture(*size)]) for size in ((40, 40), (40, 90), (30, 30))]
    batch = collate([encode_example(processor, each) for each in examples], 0)
    theirs = processor(
        images=[each.pictures[0] for each in examples], text=["<image>"] * 3, return_tensors="pt",
        padding=True,
    )  # fmt: skip
    assert torch.equal(batch["pixel_values"], theirs["pixel_values"])
    assert torch.equal(batch["image_sizes"], theirs["image_sizes"])
    model = LlavaNextForConditionalGeneration.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        loss = model(**batch).loss
        losses = [model(**collate([encode_example(processor, each)], 0)).loss for each in examples]
    assert loss == pytest.approx(float(sum(losses)) / 3, rel=1e-4)  # answers of one length
