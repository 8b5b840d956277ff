"""On which tokens TRL trains, by what its collator does with a record, on processors in miniature.

TRL itself is not needed: `DataCollatorForVisionLanguageModeling` of TRL 1.16 takes prompt and
completion through the chat template, cuts them where the prompt ends, and ignores the prompt.
"""

from pathlib import Path
from typing import Any

import datasets
import pytest
from chat_miniatures import save_llava, save_qwen_vl
from test_dataset import INFO, Run
from test_formats import OWN, make_region, make_row, write
from transformers import AutoProcessor

from imgdiff.training.answers import IGNORED

TOKENS = {"llava": "<image>", "qwen_vl": "<|image_pad|>"}
ANSWERS = ["A car, then a boat.", "No."]


@pytest.fixture(params=TOKENS)
def chat(request, tmp_path: Path) -> tuple[Any, int]:
    """A processor, and the number of the token that stands for pictures."""
    save = {"llava": save_llava, "qwen_vl": save_qwen_vl}[request.param]
    save(tmp_path / "model")
    processor = AutoProcessor.from_pretrained(tmp_path / "model")
    return processor, processor.tokenizer.convert_tokens_to_ids(TOKENS[request.param])


@pytest.fixture
def records(tmp_path: Path) -> list[dict[str, Any]]:
    region = make_region(OWN, ANSWERS[0])
    region.conversations += [
        {"from": "human", "value": "Is it red?"},
        {"from": "gpt", "value": ANSWERS[1]},
    ]
    folder = write(Run(tmp_path / "run", [[make_row("a", "a car", region)]], info=INFO), "trl", 0)
    return list(datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "c")))


def collated(processor: Any, record: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Tokens and labels of a record."""
    images = iter(record["images"])
    prompt = [
        message
        | {
            "content": [
                part | ({"image": next(images)} if part["type"] == "image" else {})
                for part in message["content"]
            ]
        }
        for message in record["prompt"]
    ]
    asked = processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    whole = processor.apply_chat_template(prompt + record["completion"], tokenize=False)
    assert whole.startswith(asked)
    before = processor(
        images=[record["images"]], text=[asked], return_tensors="pt", add_special_tokens=False
    )["input_ids"][0].tolist()
    after = processor(text=[whole[len(asked) :]], return_tensors="pt", add_special_tokens=False)
    answer = after["input_ids"][0].tolist()
    return before + answer, [IGNORED] * len(before) + answer


def test_every_answer_is_trained_on_once_and_nothing_else(chat, records) -> None:
    processor, picture = chat
    trained = []
    for record in records:
        tokens, labels = collated(processor, record)
        assert tokens.count(picture) > 2  # both pictures stand in the prompt, many tokens each
        assert picture not in labels
        told = [label for label in labels if label != IGNORED]
        assert len(told) < tokens.count(picture)
        trained.append(processor.tokenizer.decode(told, skip_special_tokens=True).strip())
    assert trained == ANSWERS
