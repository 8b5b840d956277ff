import os
from pathlib import Path

import numpy as np
import pytest

from imgdiff.data.images import encode_png
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find
from imgdiff.data.readers.base import InputError

PAIRS = Demand(42, 1000, frozenset(["image_a", "image_b"]), frozenset())


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Put files into `photos`: pictures, or what is given."""
    monkeypatch.chdir(tmp_path)

    def put(*names, content=None):
        for name in names:
            path = Path("photos") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content or encode_png(np.full((8, 8, 3), 90, np.uint8))["bytes"])

    return put


def read():
    source = Input(find("photos"))
    return source, source.part(0, len(source)).rows(PAIRS)


@pytest.mark.parametrize(
    "names",
    [
        ("cat_a.png", "cat_b.png", "dog_a.png", "dog_b.png"),
        ("cat-a.png", "cat-b.PNG", "dog_A.jpeg", "dog_B.webp"),
        ("a/cat.png", "b/cat.png", "a/dog.png", "b/dog.jpg"),
    ],
)
def test_names_say_what_belongs_together(photos, names):
    photos(*names)
    source, rows = read()
    assert source.ids == ["cat", "dog"]
    assert source.columns == ("image_a", "image_b")
    assert all(row.ok for row in rows)
    paths = [row[f"image_{side}"]["path"] for row in rows for side in "ab"]
    assert paths == list(names)


def test_captions_stand_beside_their_pictures(photos):
    photos("cat_a.png", "cat_b.png", "dog_a.png", "dog_b.png")
    photos("cat_a.txt", content=b" a cat\n")
    photos("cat_b.txt", content=b"a dog")
    source, (cat, dog) = read()
    assert source.columns == ("caption_a", "caption_b", "image_a", "image_b")
    assert (cat["caption_a"], cat["caption_b"]) == ("a cat", "a dog")
    assert "caption_a" not in dog.values


def test_a_picture_without_its_other_half_fails(photos):
    photos("cat_a.png", "dog_a.png", "dog_b.png")
    _, (cat, dog) = read()
    assert (cat.status, cat.reason) == ("failed", "input: image_missing")
    assert cat.message == "photos/cat: no image_b"
    assert dog.ok


def test_files_of_no_pair_are_named(photos):
    photos("cat_a.png", "cat_b.png", "lone.png", "more/x_a.png", "note_a.txt", ".git/x", "x.tif")
    source, rows = read()
    assert source.unused == ("lone.png", "more/", "x.tif", "note_a.txt")
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason", "message"),
    [
        ("cat_a.jpg", b"x", "pair_ambiguous", "image_a could be cat_a.jpg or cat_a.png"),
        ("cat_a.txt", b"\xff", "caption_type", "cat_a.txt is not text (invalid start byte)"),
        ("cat_a.png", b"x", "image_unreadable", "cat_a.png is not a JPEG, PNG, WEBP"),
    ],
)
def test_files_that_cannot_be_used_fail_their_pair_alone(photos, name, content, reason, message):
    photos("cat_a.png", "cat_b.png", "dog_a.png", "dog_b.png")
    photos(name, content=content)
    _, (cat, dog) = read()
    assert (cat.status, cat.reason) == ("failed", f"input: {reason}")
    assert cat.message.startswith(f"photos/cat: {message}")
    assert dog.ok


@pytest.mark.parametrize("name", ["cat_a.png", "cat_a.txt"])
def test_a_link_that_leaves_the_folder_fails(photos, name):
    photos("cat_a.png", "cat_b.png", "../secret")
    (Path("photos") / name).unlink(missing_ok=True)
    (Path("photos") / name).symlink_to(Path("secret").absolute())
    _, (cat,) = read()
    assert (cat.status, cat.reason) == ("failed", "input: path_outside")


def test_a_dead_link_leaves_its_pair_incomplete(photos):
    photos("cat_a.png")
    Path("photos/cat_b.png").symlink_to("nowhere.png")
    source, (cat,) = read()
    assert source.unused == ("cat_b.png/",)
    assert cat.reason == "input: image_missing"


def test_names_that_are_no_text_are_not_used(photos):
    """A file system takes any bytes as a name; no table holds them."""
    photos("cat_a.png", "cat_b.png", *map(os.fsdecode, (b"caf\xe9_a.png", b"caf\xe9_b.png")))
    source, (cat,) = read()
    assert cat.ok
    assert source.unused == (r"caf\udce9_a.png", r"caf\udce9_b.png")


def test_a_folder_without_pairs_is_refused(photos):
    photos("cat.png")
    with pytest.raises(InputError, match=r"photos: no image pairs. Expected NAME_a.png and NAME_b"):
        read()


def test_the_hash_changes_with_a_picture(photos):
    photos("cat_a.png", "cat_b.png", "readme.md")
    before = read()[0].sha256
    photos("readme.md", content=b"new")
    assert read()[0].sha256 == before
    photos("cat_b.png", content=encode_png(np.zeros((8, 8, 3), np.uint8))["bytes"])
    assert read()[0].sha256 != before
