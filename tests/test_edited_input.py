"""An input that is edited while a run reads it stops the run: no row is stored under its name with
another content."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_project import LIGHT_OPERATORS

from imgdiff import run
from imgdiff.data.images import encode_png
from imgdiff.engine.shards import Worker


@pytest.fixture
def edit_after_a_shard(monkeypatch):
    """Do something once the first shard is stored."""

    def put(edit):
        work = Worker.run

        def run_then_edit(self, shard, part):
            manifest = work(self, shard, part)
            if shard == 0 and self.task.number == 0:
                edit()
            return manifest

        monkeypatch.setattr(Worker, "run", run_then_edit)

    return put


def stored_shards(project):
    return sorted(path.name[:5] for path in project.run_path.glob("stages/00_*/*.json"))


def in_place():
    """Every line keeps its length and its id."""
    path = Path("captions.jsonl")
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b"red", b"big"))


def by_rename():
    Path("new.jsonl").write_bytes(Path("captions.jsonl").read_bytes().replace(b"red", b"big"))
    os.replace("new.jsonl", "captions.jsonl")


def appended():
    with Path("captions.jsonl").open("a") as file:
        file.write('{"id": "more", "caption": "a ball"}\n')


@pytest.mark.parametrize("edit", [in_place, by_rename, appended])
def test_an_input_edited_while_it_is_read_stops_the_run(project, edit_after_a_shard, capsys, edit):
    before = Path("captions.jsonl").read_bytes()
    edit_after_a_shard(edit)
    assert run.main(["mine.yaml"]) == run.STOPPED
    text = "stopped: captions.jsonl has changed since the run began. Put it back as it was, or"
    assert text in capsys.readouterr().err
    assert stored_shards(project) == ["00000"]
    assert run.main(["mine.yaml"]) == run.REFUSED
    Path("captions.jsonl").write_bytes(before)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert all("red" in row["caption_a"] for row in project.rows())


@pytest.mark.parametrize("edit", [lambda: os.utime("captions.jsonl"), lambda: None])
def test_a_file_that_was_only_touched_is_the_same(project, edit_after_a_shard, edit):
    edit_after_a_shard(edit)
    assert run.main(["mine.yaml"]) == run.COMPLETE


def test_what_is_edited_after_the_reading_does_not_matter(project, monkeypatch):
    select = run.select

    def edit_then_select(*given):
        in_place()
        select(*given)

    monkeypatch.setattr(run, "select", edit_then_select)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert all("red" in row["caption_a"] for row in project.rows())


def exchanged():
    shutil.copy("pairs/p0_a.png", "pairs/p3_b.png")


def gone():
    Path("pairs/p3_b.png").unlink()


def other_caption():
    Path("pairs/p3_a.txt").write_text("another")


@pytest.mark.parametrize("edit", [exchanged, gone, other_caption])
def test_a_picture_of_a_folder(project, edit_after_a_shard, capsys, edit):
    Path("pairs").mkdir()
    for k in range(4):
        for side in "ab":
            pixels = np.full((8, 8, 3), 20 * k + ord(side), np.uint8)
            Path(f"pairs/p{k}_{side}.png").write_bytes(encode_png(pixels)["bytes"])
        Path(f"pairs/p{k}_a.txt").write_text("a caption")
    project.write_recipe(
        dataset_path="pairs",
        shard_rows=2,
        operators=[str(LIGHT_OPERATORS.with_name("mending_operators.py"))],
        process=["seeing_mapper"],
    )
    edit_after_a_shard(edit)
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "stopped: pairs has changed since the run began" in capsys.readouterr().err
    assert stored_shards(project) == ["00000"]
