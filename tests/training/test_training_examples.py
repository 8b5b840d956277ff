"""Where training examples come from: runs, and files of instruction data."""

import json

import numpy as np
import pytest
from PIL import Image

from imgdiff.errors import RefusedError, RowError
from imgdiff.training.conversations import LlavaExamples, TrainingExample

TURNS = [{"from": "human", "value": "<image>\nWhat differs?"}, {"from": "gpt", "value": "A cup."}]


@pytest.fixture
def llava(tmp_path):
    """Writes records beside a folder of two pictures, and opens them."""
    (tmp_path / "images").mkdir()
    for name, colour in {"one.png": (255, 0, 0), "two.png": (0, 0, 255)}.items():
        Image.new("RGB", (20, 10), colour).save(tmp_path / "images" / name)
    (tmp_path / "images" / "torn.png").write_bytes(b"\x89PNG\r\n")
    Image.new("RGB", (20, 10)).save(tmp_path / "secret.png")

    def write(records, name="data.json"):
        text = json.dumps(records)
        if name.endswith("jsonl"):
            text = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / name).write_text(text)
        return LlavaExamples(tmp_path / name, tmp_path / "images")

    return write


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_records_of_llava(llava, name):
    record = {"id": "a", "image": "one.png", "conversations": TURNS}
    both = [{"from": "human", "value": "<image>\n<image>\nSo?"}, TURNS[1]]
    two = {"id": 7, "image": ["one.png", "two.png"], "conversations": both}
    source = llava([record, two], name)
    assert len(source) == 2
    assert source[0].turns == [("user", "<image>\nWhat differs?"), ("assistant", "A cup.")]
    assert source[0].pictures[0].shape == (10, 20, 3)
    assert source[1].id == "7"
    assert [picture[0, 0].tolist() for picture in source[1].pictures] == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"image": "none.png"}, "image_unreadable", "image none.png in .*: No such file"),
        ({"image": "../secret.png"}, "path_outside", "image path ../secret.png is outside"),
        ({"image": "/etc/hosts"}, "path_outside", "image path /etc/hosts is outside"),
        ({"image": "torn.png"}, "image_.*", "torn.png is"),
        ({"image": None}, "no_picture", "a has no picture"),
        ({"image": [3]}, "no_picture", "a has no picture"),
        ({"conversations": TURNS[1:]}, "turns", "turns are assistant, expected user and assistant"),
        ({"conversations": [{"from": "human"}]}, "turns", "conversations are not turns"),
        ({"image": ["one.png", "two.png"]}, "turns", "1 <image> for 2 pictures"),
        ({"conversations": [TURNS[0], {"from": "gpt", "value": " "}]}, "turns", "a turn is empty"),
    ],
)
def test_bad_records_say_why(llava, change, code, text):
    source = llava([{"id": "a", "image": "one.png", "conversations": TURNS} | change])
    with pytest.raises(RowError, match=text) as caught:
        source[0]
    assert code.replace(".*", "") in caught.value.code


def test_files_that_are_no_instruction_data(llava, tmp_path):
    with pytest.raises(RefusedError, match="expected a list of records"):
        llava({"a": 1})
    (tmp_path / "broken.json").write_text("[")
    with pytest.raises(RefusedError, match=r"broken\.json: not valid JSON"):
        LlavaExamples(tmp_path / "broken.json", tmp_path)
    with pytest.raises(RefusedError, match=r"none\.json: No such file"):
        LlavaExamples(tmp_path / "none.json", tmp_path)


def test_messages_keep_pictures_where_their_tokens_stand():
    red, blue = (np.full((2, 2, 3), value, np.uint8) for value in (200, 10))
    turns = [("user", "First <image>\nthen\n<image>"), ("assistant", "Yes.")]
    user, assistant = TrainingExample("x", [red, blue], turns).messages()
    assert [part.get("text", "picture") for part in user["content"]] == [
        "First", "picture", "then", "picture",
    ]  # fmt: skip
    assert np.asarray(user["content"][3]["image"]).max() == 10
    assert assistant == {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
