"""Where training examples come from: runs, and files of instruction data."""

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_run import INFO, DrawnRun, drawn_rows, write_run
from PIL import Image
from rich.console import Console

from imgdiff.data import images
from imgdiff.data.conversations import QUESTIONS
from imgdiff.errors import RefusedError, RowError
from imgdiff.export.dataset import write_dataset
from imgdiff.export.formats import export
from imgdiff.models.families.llava import Llava15
from imgdiff.models.families.qwen3_vl import Qwen3Vl
from imgdiff.models.families.toyland import Toyland
from imgdiff.training.conversations import (
    LlavaExamples,
    RunExamples,
    ShownExamples,
    TrainingExample,
)
from imgdiff.training.sources import DataSource

CLIP_MEAN_RGB = [122, 116, 104]
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


@pytest.mark.parametrize(
    ("profile", "border"), [(Llava15(), CLIP_MEAN_RGB), (Toyland(), [127] * 3), (Qwen3Vl(), None)]
)
def test_pictures_are_shown_as_when_the_model_is_asked(llava, profile, border):
    source = ShownExamples(
        llava([{"id": "a", "image": "one.png", "conversations": TURNS}]), profile
    )
    assert len(source) == 1
    (picture,) = source[0].pictures
    assert picture[len(picture) // 2, 0].tolist() == [255, 0, 0]
    if border is None:
        assert picture.shape == (10, 20, 3)
    else:
        assert picture.shape == (20, 20, 3)
        assert picture[0, 0].tolist() == border


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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("drawn") / "run", drawn_rows(4))


class TestRuns:
    def test_joined_pictures_are_what_the_operators_show(self, run):
        rows, source = drawn_rows(4), RunExamples(run)
        assert len(source) == 4
        for number, row in enumerate(rows):
            region, example = row.regions[0], source[number]
            pair = [images.load_rgb(row[f"image_{side}"]) for side in "ab"]
            joined = images.joined_view(*pair, region.box_xyxy, region.left)
            assert (example.pictures[0] == joined).all()
            assert example.turns == [
                ("user", QUESTIONS["joined"]),
                ("assistant", region.difference),
            ]
        assert {row.regions[0].left for row in rows} == {"a", "b"}

    def test_two_pictures_with_the_question_about_two(self, run):
        source = RunExamples(run, "two_images")
        for number, row in enumerate(drawn_rows(4)):
            region, example = row.regions[0], source[number]
            order = "ab" if region.left == "a" else "ba"
            pair = [images.load_rgb(row[f"image_{side}"]) for side in order]
            marked = [images.draw_box(image, region.box_xyxy) for image in pair]
            for picture, wanted in zip(example.pictures, marked, strict=True):
                assert (picture == wanted).all()
            assert example.turns[0] == ("user", QUESTIONS["two_images"])

    def test_what_is_exported_for_llava_trains_the_same(self, run, tmp_path):
        finished = DrawnRun(run, drawn_rows(4))
        export(finished, "llava", tmp_path / "llava", 0.0, Console(quiet=True))
        exported = LlavaExamples(tmp_path / "llava/train.json", tmp_path / "llava")
        source = RunExamples(run)
        assert len(exported) == len(source)
        for number in range(len(source)):
            assert exported[number].turns == source[number].turns
            assert (exported[number].pictures[0] == source[number].pictures[0]).all()

    def test_sides(self, tmp_path):
        held = write_run(tmp_path / "held", drawn_rows(20), validation_fraction=0.3)
        source = DataSource(run=str(held))
        sides = [source.training(), source.validation()]
        ids = [{side[number].id for number in range(len(side))} for side in sides]
        assert ids[0] | ids[1] == {f"pair-{seed}-0" for seed in range(20)}
        assert all(ids)
        assert not ids[0] & ids[1]

    def test_nothing_held_back(self, run):
        assert DataSource(run=str(run)).validation() is None

    def test_a_run_without_conversations(self, tmp_path):
        rows = drawn_rows(2)
        folder = tmp_path / "run"
        folder.mkdir()
        (phase,) = INFO.phases
        made = tuple(name for name in phase.columns if name != "regions.conversations")
        info = replace(INFO, phases=(replace(phase, columns=made),))
        write_dataset(DrawnRun(folder, rows, info))
        with pytest.raises(RefusedError, match="its recipe needs conversation_mapper"):
            RunExamples(folder)
