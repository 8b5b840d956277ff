"""Every export read back the way its trainer documents, and what breaks one."""

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from test_dataset import INFO, Run

from imgdiff.data import images
from imgdiff.data.conversations import QUESTIONS
from imgdiff.data.rows import Region, Row
from imgdiff.errors import RefusedError
from imgdiff.export import parquet_files, webdataset
from imgdiff.export.formats import FORMATS, export
from imgdiff.export.llava import Llava
from imgdiff.export.samples import safe_name
from imgdiff.export.split import Split
from imgdiff.export.validation import Example, ExportError, faults

SIDE, BOX = 64, (8.0, 16.0, 40.0, 48.0)
BAR = round(images.BAR_WIDTH * SIDE / images.REFERENCE_SIDE)
OWN = "<image>\n<image>\nWhat is new?"  # a question that a recipe words itself


def png(shade: int, side: int = SIDE) -> dict[str, Any]:
    return images.encode_png(np.full((side, side, 3), shade, np.uint8))


def make_region(question: str = QUESTIONS["joined"], answer: str = "A car, then a boat.") -> Region:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return Region(BOX, "a", difference=answer, conversations=turns)


def make_row(name: str, caption: str, *regions: Region) -> Row:
    values = {"caption_a": caption, "caption_b": "a blue boat"}
    return Row(name, 7, values | {"image_a": png(40), "image_b": png(200)}, list(regions))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """20 pairs with two samples each, of ten captions, and a pair that was refused."""
    refused = make_region()
    refused.reject("area_filter", "area_unchanged")
    rows = [
        make_row(f"cap/{k}", f"a red car number {k // 2}", make_region(), refused, make_region())
        for k in range(20)
    ]
    rows[3].reject("area_filter", "no_area", "none passed")
    return Run(tmp_path / "run", [rows[:8], rows[8:]], info=INFO)


def write(run: Run, name: str, fraction: float = 0.3) -> Path:
    folder = run.path / "export" / name
    export(run, name, folder, fraction, Console(quiet=True))
    return folder


def expected_ids(run: Run, side: str, fraction: float = 0.3) -> list[str]:
    split = Split(42, fraction)
    rows = [row for shard in run.shards for row in shard if row.ok and split.side(row) == side]
    return [f"{row.id}-{number}" for row in rows for number in (0, 2)]


def opened(path: Path | io.BytesIO) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def marked(shade: int) -> np.ndarray:
    return images.draw_box(np.full((SIDE, SIDE, 3), shade, np.uint8), BOX)


def test_both_sides_of_the_split_have_samples(run: Run) -> None:
    assert expected_ids(run, "train")
    assert expected_ids(run, "validation")


@pytest.mark.parametrize("side", ["train", "validation"])
def test_llava_takes_one_joined_picture(run: Run, side: str) -> None:
    folder = write(run, "llava")
    records = json.loads((folder / f"{side}.json").read_text())
    assert [record["id"] for record in records] == expected_ids(run, side)
    for record in records:  # as LazySupervisedDataset: os.path.join(image_folder, record["image"])
        picture = opened(folder / record["image"])
        assert np.array_equal(picture, images.side_by_side(marked(40), marked(200)))
        human, gpt = record["conversations"]
        assert human == {"from": "human", "value": QUESTIONS["joined"]}
        assert gpt == {"from": "gpt", "value": "A car, then a boat."}


@pytest.mark.parametrize("name", ["llava_interleave", "qwen_vl"])
def test_two_pictures_are_a_list_in_the_order_of_their_tokens(run: Run, name: str) -> None:
    folder = write(run, name)
    records = json.loads((folder / "train.json").read_text())
    assert [record["id"] for record in records] == expected_ids(run, "train")
    for record in records:
        assert "images" not in record  # which the loader of Qwen-VL does not read
        waiting = list(record["image"])
        for turn in record["conversations"]:
            for part in re.split("(<image>)", turn["value"]):
                if part == "<image>":
                    assert turn["from"] == "human"
                    shade = 40 if waiting[0].endswith(".1.png") else 200
                    assert np.array_equal(opened(folder / waiting.pop(0)), marked(shade))
        assert waiting == []


def test_ms_swift_scales_every_box_by_its_own_picture(run: Run) -> None:
    folder = write(run, "ms_swift")
    lines = (folder / "train.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["id"] for record in records] == expected_ids(run, "train")
    for record in records:
        user, assistant = record["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].count("<image>") == len(record["images"]) == 2
        objects = record["objects"]
        assert user["content"].count("<bbox>") == len(objects["bbox"]) == 2
        assert objects["bbox_type"] == "real"
        assert objects["image_id"] == [0, 1]
        for number, box in zip(objects["image_id"], objects["bbox"], strict=True):
            assert box == list(BOX)
            assert opened(folder / record["images"][number]).shape == (SIDE, SIDE, 3)
    cache = str(folder.parent / "cache")
    data = {"train": str(folder / "train.jsonl")}
    loaded = datasets.load_dataset("json", data_files=data, split="train", cache_dir=cache)
    assert len(loaded) == len(records)


def test_a_question_of_ones_own_is_not_given_boxes(run: Run) -> None:
    run.shards = [[make_row("own", "a red car", make_region(OWN))]]
    (line,) = (write(run, "ms_swift", 0) / "train.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["messages"][0]["content"] == OWN
    assert "objects" not in record


def test_llama_factory_finds_its_files_by_dataset_info(run: Run) -> None:
    folder = write(run, "llama_factory")
    registered = json.loads((folder / "dataset_info.json").read_text())
    names = [name.rpartition("_")[2] for name in registered]
    assert names == ["train", "validation"]
    for side, entry in zip(names, registered.values(), strict=True):
        assert entry["formatting"] == "sharegpt"
        columns = entry["columns"]
        records = json.loads((folder / entry["file_name"]).read_text())
        assert [record["id"] for record in records] == expected_ids(run, side)
        for record in records:
            turns = record[columns["messages"]]
            assert [turn["from"] for turn in turns] == ["human", "gpt"]
            tokens = sum(turn["value"].count("<image>") for turn in turns)
            assert tokens == len(record[columns["images"]])
            assert all((folder / name).is_file() for name in record[columns["images"]])


@pytest.mark.parametrize("side", ["train", "validation"])
def test_trl_opens_as_a_dataset_of_prompts_completions_and_images(run: Run, side: str) -> None:
    folder = write(run, "trl")
    cache = str(folder.parent / "cache")
    data = datasets.load_dataset(str(folder), split=side, cache_dir=cache)
    assert data["id"] == expected_ids(run, side)
    assert data.features["images"] == datasets.List(datasets.Image())
    for record in data:
        (user,), (assistant,) = record["prompt"], record["completion"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert [part["type"] for part in user["content"]] == ["image", "image", "text"]
        assert user["content"][2]["text"].startswith("The first image is")
        assert assistant["content"] == [{"type": "text", "text": "A car, then a boat."}]
        for picture, shade in zip(record["images"], (40, 200), strict=True):
            assert np.array_equal(np.asarray(picture), marked(shade))


def test_trl_has_a_record_for_every_answer(run: Run) -> None:
    region = make_region(OWN)
    asked = [{"from": "human", "value": "Is it red?"}, {"from": "gpt", "value": "No."}]
    region.conversations += asked
    run.shards = [[make_row("own", "a red car", region, make_region(OWN))]]
    folder = write(run, "trl", 0)
    data = datasets.load_dataset(str(folder), split="train", cache_dir=str(run.path / "cache"))
    assert data["id"] == ["own-0", "own-0/2", "own-1"]
    whole = data[1]["prompt"] + data[1]["completion"]
    said = [message["content"][-1]["text"] for message in whole]
    assert said == ["What is new?", "A car, then a boat.", "Is it red?", "No."]
    assert [len(record["prompt"]) for record in data] == [1, 3, 1]
    assert [len(record["images"]) for record in data] == [2, 2, 2]
    assert json.loads((folder / "export.json").read_text())["samples"]["train"] == 3


def test_trl_of_another_run_is_not_read_from_the_cache(run: Run, tmp_path: Path) -> None:
    other = Run(tmp_path / "other", [[make_row("other", "a mug", make_region())]])
    folders = [str(write(each, "trl", 0)) for each in (run, other)]
    cache = str(tmp_path / "cache")  # both folders are called `trl`
    loaded = [datasets.load_dataset(f, split="train", cache_dir=cache) for f in folders]
    assert [len(data) for data in loaded] == [38, 1]


@pytest.mark.parametrize("side", ["train", "validation"])
def test_webdataset_streams_pictures_and_json(run: Run, side: str) -> None:
    folder = write(run, "webdataset")
    files = {side: str(folder / f"{side}-*.tar")}
    data = datasets.load_dataset("webdataset", data_files=files, split=side, streaming=True)
    records = list(data)
    assert [record["json"]["id"] for record in records] == expected_ids(run, side)
    for record in records:
        for name, shade in (("image1.png", 40), ("image2.png", 200)):
            assert np.array_equal(np.asarray(record[name]), marked(shade))
        boxes = [(box["image"], box["box_xyxy"]) for box in record["json"]["boxes"]]
        assert boxes == [("image1.png", list(BOX)), ("image2.png", list(BOX))]


def test_a_full_tar_is_followed_by_another(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "TAR_BYTES", 1)
    folder = write(run, "webdataset", 0)
    assert len(list(folder.glob("train-*.tar"))) == 38
    with tarfile.open(folder / "train-000000.tar") as tar:
        key = safe_name("cap/0-0")
        assert tar.getnames() == [f"{key}.image1.png", f"{key}.image2.png", f"{key}.json"]


@pytest.mark.parametrize("side", ["train", "validation"])
def test_parquet_has_pairs_and_samples_of_each_side(run: Run, side: str) -> None:
    folder, cache = str(write(run, "parquet")), str(run.path / "cache")
    load = datasets.load_dataset
    pairs = load(folder, split=side, cache_dir=cache)
    found = load(folder, "samples", split=side, cache_dir=cache)
    assert found["id"] == expected_ids(run, side)
    assert set(found["pair_id"]) == set(pairs["id"])
    assert np.asarray(pairs[0]["image_b"]).mean() == 200


def test_a_small_parquet_file_is_read_back_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "FILE_BYTES", 1)
    monkeypatch.setattr(parquet_files, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet_files, "RECORDS", 1)
    assert len(list(write(run, "parquet").glob("samples/train-*.parquet"))) > 1


def test_a_joined_picture_has_a_box_in_each_half(run: Run) -> None:
    question = "<image>\nWhat is new?"
    run.shards = [[make_row("own", "a red car", make_region(question))]]
    folder = write(run, "webdataset", 0)
    with tarfile.open(folder / "train-000000.tar") as tar:
        record = json.loads(tar.extractfile("own-0.json").read())
        picture = opened(io.BytesIO(tar.extractfile("own-0.image1.png").read()))
    assert picture.shape == (SIDE, 2 * SIDE + BAR, 3)
    shift = SIDE + BAR
    second = [BOX[0] + shift, BOX[1], BOX[2] + shift, BOX[3]]
    assert [box["box_xyxy"] for box in record["boxes"]] == [list(BOX), second]


def test_no_caption_is_on_both_sides_and_more_rows_move_none() -> None:
    split = Split(42, 0.3)
    rows = [make_row(f"{k}", f"a red car number {k // 3}") for k in range(90)]
    sides = {row.id: split.side(row) for row in rows}
    for caption in {row["caption_a"] for row in rows}:
        assert len({sides[row.id] for row in rows if row["caption_a"] == caption}) == 1
    assert 0.1 < sum(side == "validation" for side in sides.values()) / 90 < 0.5
    wider = Split(42, 0.5)
    assert all(wider.side(row) == "validation" for row in rows if sides[row.id] == "validation")


def test_captions_are_one_whatever_their_case_and_dots() -> None:
    split = Split(42, 0.5)
    texts = ("A red  car.", "a red car", "a Red car!")
    for number in range(20):
        rows = [make_row(text, f"{text} {number}") for text in texts]
        assert len({split.side(row) for row in rows}) == 1


def test_pairs_without_captions_are_split_by_id() -> None:
    split = Split(42, 0.5)
    rows = [Row(f"pair-{k}", 7) for k in range(40)]
    assert {split.side(row) for row in rows} == {"train", "validation"}


@pytest.mark.parametrize(
    ("id", "name"),
    [("cap-0001-0", "cap-0001-0"), ("a_B", "a_B"), ("../../etc/x.y-0", "___etc_x_y-0~")],
)
def test_ids_become_file_names_that_stay_in_the_folder(id: str, name: str) -> None:
    assert safe_name(id).startswith(name.replace("___", "_"))
    assert not re.search(r"[/.]", safe_name(id))


def test_different_ids_have_different_file_names() -> None:
    ids = ["a/b", "a.b", "a_b", "a b", "x" * 200, "x" * 201, "x" * 100]
    assert len({safe_name(id) for id in ids}) == len(ids)


GOOD = Example("s", [("user", "<image>?"), ("assistant", "!")], [png(1)["bytes"]], [(0, BOX)])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"turns": [("user", "?"), ("assistant", "!")]}, "0 <image> for 1 pictures"),
        ({"turns": [("user", "<image><image>"), ("assistant", "!")]}, "2 <image> for 1 pictures"),
        ({"turns": [("user", "<image>"), ("assistant", "<image>")]}, "<image> in an answer"),
        ({"turns": [("user", "<image><video>"), ("assistant", "!")]}, "<video> stands for nothing"),
        ({"turns": [("user", "<image>")]}, "turns are user, expected user and assistant in turn"),
        ({"turns": []}, "turns are missing, expected user and assistant in turn"),
        ({"turns": [("user", "<image>"), ("assistant", " ")]}, "a turn is empty"),
        ({"box_token": "<bbox>"}, "0 <bbox> for 1 boxes"),
        ({"pictures": [None]}, "the file of picture 0 is missing"),
        ({"pictures": [png(1)["bytes"][:60]]}, "picture 0 does not open"),
        (
            {"pictures": [png(1)["bytes"], png(1, 8)["bytes"]]},
            "pictures differ in size: (64, 64) and (8, 8)",
        ),
        ({"boxes": [(1, BOX)]}, "a box lies in picture 1 of 1"),
        (
            {"boxes": [(0, (0.0, 0.0, 65.0, 9.0))]},
            "box (0.0, 0.0, 65.0, 9.0) is not inside picture 0 of 64 x 64 pixels",
        ),
        (
            {"boxes": [(0, (9.0, 0.0, 9.0, 9.0))]},
            "box (9.0, 0.0, 9.0, 9.0) is not inside picture 0 of 64 x 64 pixels",
        ),
    ],
)
def test_a_broken_example_is_told_by_its_rule(change: dict[str, Any], fault: str) -> None:
    assert list(faults(GOOD)) == []
    assert fault in list(faults(Example(**(vars(GOOD) | change))))


def shape(value: Any) -> Any:
    """The keys of a record, and how long its lists are."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("parquet", "qwen_vl")])
def test_the_page_shows_a_record_as_it_is_written(run: Run, name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    shown = re.search(rf"^## {name}$.*?```json\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)
    folder = write(run, name, 0)
    if name == "trl":
        cache = str(folder.parent / "cache")
        record = datasets.load_dataset(str(folder), split="train", cache_dir=cache)[0]
    elif name == "webdataset":
        with tarfile.open(folder / "train-000000.tar") as tar:
            record = json.loads(tar.extractfile(tar.getmembers()[2]).read())
    elif name == "ms_swift":
        record = json.loads((folder / "train.jsonl").read_text().splitlines()[0])
    else:
        record = json.loads((folder / "train.json").read_text())[0]
    assert shape(json.loads(shown[1])) == shape(record)


def test_the_page_has_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_sample_leaves_the_earlier_export(run: Run, name: str) -> None:
    folder = write(run, name)
    before = sorted(path.name for path in folder.rglob("*"))
    run.shards[1][0].regions[0].conversations[1]["value"] = "<image>"
    with pytest.raises(ExportError, match=f"{name}: sample cap/8-0: <image> in an answer"):
        write(run, name)
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_a_file_that_is_lost_while_writing_is_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(self: Llava) -> None:
        super(Llava, self).close()
        next(self.folder.glob("images/*")).unlink()

    monkeypatch.setattr(Llava, "close", close)
    with pytest.raises(ExportError, match="the file of picture 0 is missing"):
        write(run, "llava")


def test_an_export_that_is_stopped_leaves_the_earlier_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(run, "llava")
    before = (folder / "train.json").read_bytes()

    def stop(shard: int) -> list[Row]:
        if shard:
            raise KeyboardInterrupt
        return run.shards[0]

    monkeypatch.setattr(run, "rows", stop)
    with pytest.raises(KeyboardInterrupt):
        write(run, "llava", 0)
    assert (folder / "train.json").read_bytes() == before
    monkeypatch.undo()
    assert not (write(run, "llava", 0) / "validation.json").exists()


def test_a_folder_with_other_things_is_not_replaced(run: Run) -> None:
    folder = run.path / "export" / "llava"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(RefusedError, match="llava is there and is no earlier export"):
        write(run, "llava")
    assert (folder / "notes.txt").read_text() == "mine"


def test_llava_refuses_a_question_about_two_pictures(run: Run) -> None:
    run.shards = [[make_row("own", "a red car", make_region(OWN))]]
    with pytest.raises(ExportError, match="own-0 asks about 2 pictures, llava takes one"):
        write(run, "llava")


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "parquet"])
def test_a_run_without_conversations_is_not_exported(run: Run, name: str) -> None:
    run.shards = [[make_row("silent", "a red car", Region(BOX, "a"))]]
    with pytest.raises(RefusedError, match=f"nothing to write as {name}: no kept region has a"):
        write(run, name)
    assert list((run.path / "export").iterdir()) == []


def test_parquet_needs_no_conversations(run: Run) -> None:
    run.shards = [[make_row("silent", "a red car", Region(BOX, "a"))]]
    assert (write(run, "parquet", 0) / "samples" / "00000.parquet").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_a_box_outside_its_picture_is_noticed(run: Run, name: str) -> None:
    region = make_region()
    region.box_xyxy = (0.0, 0.0, 70.0, 9.0)
    run.shards = [[make_row("wide", "a red car", region)]]
    with pytest.raises(ExportError, match=rf"{name}: sample wide-0: box .* is not inside picture"):
        write(run, name)


def test_the_image_that_stands_left_is_drawn_left(run: Run) -> None:
    """What a choice between left and right asks for: its letter was chosen by `left`."""
    region = make_region("<image>\nWhich of them shows a car in the red box?", "B")
    region.left = "b"
    run.shards = [[make_row("cap", "a red car", region)]]
    (record,) = json.loads((write(run, "llava", 0) / "train.json").read_text())
    picture = opened(run.path / "export/llava/images" / Path(record["image"]).name)
    np.testing.assert_array_equal(picture[:, :SIDE], marked(200))
    np.testing.assert_array_equal(picture[:, -SIDE:], marked(40))
