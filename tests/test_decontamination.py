"""Rows whose picture or caption is in a set that models are tested on are rejected and counted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgdiff import cli, run

RANDOM = np.random.default_rng(3)


def scene() -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
        (96, 96), Image.Resampling.BICUBIC
    )


@pytest.fixture
def tested(project):
    """Pictures of a test set, in `tested` and in a folder of it, and rows one of which has a copy
    of one in another size and quality."""
    pictures = [scene() for _ in range(4)]
    Path("tested/more").mkdir(parents=True)
    pictures[0].save("tested/0.png")
    pictures[1].save("tested/more/1.JPG", "JPEG")
    Path("tested/broken.png").write_bytes(b"no picture")
    pictures[1].resize((64, 64)).save("copy.jpg", quality=70)
    pictures[2].save("other.png")
    project.write_captions(
        [
            {"id": "copy", "image": "copy.jpg", "caption": "a red ball"},
            {"id": "other", "image": "other.png", "caption": "a red ball"},
            {"id": "said", "image": "other.png", "caption": "A cat,  on a mat"},
        ]
    )
    project.settings["process"] = ["light_area_mapper"]
    return project


def reasons(project) -> dict[str, str]:
    return {row.id: row.reason for row in project.rows()}


def test_pictures_and_captions_of_test_sets_are_kept_out(tested, capsys):
    assert cli.main(["hashes", "tested", "--out", "hashes.txt"]) == run.COMPLETE
    told = capsys.readouterr()
    assert "hashes.txt: 2 hashes" in told.out
    assert "1 not read: broken.png is not a JPEG" in told.err
    Path("captions.txt").write_text("a dog\na cat on a mat.\n")
    tested.write_recipe(decontaminate={"hashes": ["hashes.txt"], "captions": ["captions.txt"]})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert reasons(tested) == {
        "copy": "input: image_in_test_set",
        "other": "",
        "said": "input: caption_in_test_set",
    }
    copy, _, said = tested.rows()
    assert "image_a looks like more/1.JPG of hashes.txt (hashes" in copy.message
    assert said.message.endswith("caption_a is in captions.txt")
    assert "1 caption_in_test_set, 1 image_in_test_set" in capsys.readouterr().out
    tested.write_recipe()  # a run goes on with what is kept out now
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert set(reasons(tested).values()) == {""}


def test_hashes_of_a_dataset(tested, capsys):
    assert cli.main(["hashes", "captions.jsonl", "--out", "hashes.txt"]) == run.COMPLETE
    names = [line.split()[1] for line in Path("hashes.txt").read_text().splitlines()]
    assert names == ["copy", "other", "said"]
    tested.write_captions([{"picture": "other.png"}], "other.jsonl")
    assert cli.main(["hashes", "other.jsonl", "--out", "h.txt"]) == run.REFUSED
    assert "other.jsonl has no pictures. It has picture." in capsys.readouterr().err
    named = ["hashes", "other.jsonl", "--column", "picture", "--out", "h.txt"]
    assert cli.main(named) == run.COMPLETE


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("hashes", "cat.png", "decontaminate.hashes[0]: set.txt:1: 'cat.png' is no hash."),
        ("hashes", None, "decontaminate.hashes[0]: no such file or folder: set.txt"),
        ("captions", "...", "decontaminate.captions[0]: set.txt has no captions"),
    ],
)
def test_a_file_that_keeps_nothing_out_is_told_before_the_run(tested, capsys, kind, content, text):
    if content is not None:
        Path("set.txt").write_text(content)
    tested.write_recipe(decontaminate={kind: ["set.txt"]})
    assert run.main(["mine.yaml"]) == run.REFUSED
    assert text in capsys.readouterr().err
