"""Names that lead to no regular file: nothing is waited for, and each row says what it found."""

import os
import socket

import numpy as np
import pytest

from imgdiff import run
from imgdiff.cli import main
from imgdiff.data.images import encode_png
from imgdiff.errors import RowError
from imgdiff.training.conversations import LlavaExamples

pytestmark = pytest.mark.timeout(120)  # a pipe would be waited for without end
PICTURE = encode_png(np.zeros((8, 8, 3), np.uint8))["bytes"]


def pipe(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def circle(path):
    path.symlink_to(path.name)


def circle_of_two(path):
    path.symlink_to("other.png")
    path.with_name("other.png").symlink_to(path.name)


def folder(path):
    path.mkdir()


def device(path):
    path.symlink_to("/dev/zero")


def link_to_a_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


CASES = [
    (pipe, "image_no_file", "it is a pipe, not a file"),
    (link_to_a_pipe, "image_no_file", "it is a pipe, not a file"),
    (unix_socket, "image_no_file", "it is a socket, not a file"),
    (folder, "image_no_file", "it is a folder, not a file"),
    (circle, "image_missing", "cannot read odd.png: "),
    (circle_of_two, "image_missing", "cannot read odd.png: "),
    (device, "path_outside", "image path odd.png is outside"),
]


@pytest.mark.parametrize(("make", "code", "words"), CASES, ids=[c[0].__name__ for c in CASES])
def test_of_a_table_they_cost_their_row_alone(project, make, code, words):
    (project.folder / "a.png").write_bytes(PICTURE)
    make(project.folder / "odd.png")
    rows = [{"id": name, "image_a": f"{name}.png", "image_b": "a.png"} for name in ("a", "odd")]
    project.write_captions([row | {"caption": "a cat"} for row in rows])
    project.write_recipe(process=["light_edit_mapper"], limits={"max_failed_fraction": 0.5})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    good, odd = project.rows()
    assert good.ok
    assert odd.reason == f"input: {code}"
    assert words in odd.message


@pytest.mark.parametrize("make", [pipe, unix_socket, circle, device])
def test_in_a_folder_of_pairs_they_cost_their_row_alone(project, make):
    pairs = project.folder / "pairs"
    pairs.mkdir()
    for name in ("x_a", "x_b", "y_a"):
        (pairs / f"{name}.png").write_bytes(PICTURE)
    (pairs / "x_a.txt").write_text("a cat")
    make(pairs / "y_b.png")
    make(pairs / "y_a.txt")  # nor are captions waited for
    project.write_recipe(dataset_path="pairs", process=["light_area_mapper"])
    assert main(["check", "mine.yaml"]) == run.COMPLETE
    assert run.main(["mine.yaml"]) == run.COMPLETE
    whole, half = project.rows()
    assert whole.ok
    assert half.reason == "input: caption_empty"


@pytest.mark.parametrize("name", ["captions.jsonl", "captions.csv", "pairs.parquet"])
@pytest.mark.parametrize("make", [pipe, unix_socket, circle, device])
def test_an_input_that_is_no_file_is_refused(project, capsys, name, make):
    (project.folder / "captions.jsonl").unlink()
    make(project.folder / name)
    project.write_recipe(dataset_path=name)
    for verb in ("check", "run"):
        assert main([verb, "mine.yaml"]) == run.REFUSED
        assert name in capsys.readouterr().err


def test_a_folder_of_parquet_files_with_a_pipe_is_refused(project, capsys):
    (project.folder / "tables").mkdir()
    pipe(project.folder / "tables/part.parquet")
    project.write_recipe(dataset_path="tables")
    assert main(["check", "mine.yaml"]) == run.REFUSED
    assert "part.parquet is no parquet: " in capsys.readouterr().err


def test_a_name_of_a_million_characters(project):
    """To follow it folder by folder would take hours."""
    rows = [{"id": "a", "image_a": "a/" * 500_000, "image_b": "b.png", "caption": "a cat"}]
    project.write_captions(rows)
    project.write_recipe(process=["light_edit_mapper"], limits={"max_failed_fraction": 1.0})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    (row,) = project.rows()
    assert row.reason == "input: path_outside"
    assert len(row.message) < 300


@pytest.mark.parametrize("make", [pipe, circle, unix_socket])
def test_of_instruction_data_they_cost_their_example_alone(project, make):
    make(project.folder / "odd.png")
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
    file = project.write_captions([{"id": "a", "image": "odd.png", "conversations": turns}])
    with pytest.raises(RowError, match=r"odd\.png"):
        LlavaExamples(file, project.folder)[0]


@pytest.mark.parametrize("make", [pipe, circle])
def test_an_evaluation_says_which_image_it_is(project, capsys, make):
    make(project.folder / "odd.png")
    question = {"question_id": 1, "image": "odd.png", "text": "Is there a cat?", "label": "no"}
    file = str(project.write_captions([question], "pope.json"))
    asked = ["evaluate", "pope", "--questions", file, "--images", "."]
    assert main([*asked, "--model", "{base_url: http://127.0.0.1:9/v1, model: toy}"]) == run.REFUSED
    assert "odd.png" in capsys.readouterr().err
