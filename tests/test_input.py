import json
import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgdiff.data.images import encode_png, load_rgb
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import find, open_input
from imgdiff.data.readers.base import InputError
from imgdiff.errors import StoppedError

CAPTIONS = Demand(42, 40_000_000, frozenset(["caption_a"]), frozenset())
PAIRS = Demand(42, 1000, frozenset(["image_a", "image_b"]), frozenset())


def opened(path):
    return Input(find(str(path)))


def read(path, demand=CAPTIONS):
    source = opened(path)
    return source.part(0, len(source)).rows(demand)


def write_picture(path, width=8, height=8):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(encode_png(np.full((height, width, 3), 90, np.uint8))["bytes"])


def test_rows_of_jsonl(project):
    edit = {"kind": "replace", "source": "ball", "target": "cup"}
    path = project.write_captions(
        [
            {"id": "a", "caption": " a ball ", "other": 1},
            "",
            {"id": 7, "caption_a": "a ball", "caption_b": "a cup", "edit": edit},
        ]
    )
    source = opened(path)
    assert source.ids == ["a", "7"]
    assert source.columns == ("caption_a", "caption_b", "edit")
    assert source.ignored == ["other"]
    first, second = source.part(0, 2).rows(CAPTIONS)
    assert (first.values, first.ok) == ({"caption_a": "a ball"}, True)
    assert second.values == {"caption_a": "a ball", "caption_b": "a cup", "edit": edit}
    assert first.seed != second.seed


def test_rows_of_csv(project):
    path = project.write_captions(
        ["\ufeffid,caption,note", 'a,"a ball,\nred",x', "", "b,a cup,"], "rows.csv"
    )
    source = opened(path)
    assert (source.ids, source.columns, source.ignored) == (["a", "b"], ("caption_a",), ["note"])
    assert [row["caption_a"] for row in source.part(0, 2).rows(CAPTIONS)] == [
        "a ball,\nred",
        "a cup",
    ]
    assert [row["caption_a"] for row in source.part(1, 2).rows(CAPTIONS)] == ["a cup"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("rows.jsonl", [{"caption": "a", "objects": ["car", " dog ", "car", ""]}]),
        ("rows.csv", ["caption,objects", 'a,"car, dog,car,"']),
    ],
)
def test_objects_are_a_list_or_a_text_with_commas(project, name, lines):
    (row,) = read(project.write_captions(lines, name))
    assert row["objects"] == ["car", "dog"]


def test_one_image_is_image_a(project):
    write_picture("x.png")
    path = project.write_captions([{"caption": "a", "image": "x.png"}])
    assert opened(path).columns == ("caption_a", "image_a")
    (row,) = read(path)
    assert row["image_a"]["path"] == "x.png"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_an_open_reader_serves_parts_in_any_order(project, name):
    lines = ["caption"] if name.endswith("csv") else []
    lines += [f"c{k}" if lines else {"caption": f"c{k}"} for k in range(6)]
    source = opened(project.write_captions(lines, name))
    with open_input(source.address) as reader:
        for start, stop in ((4, 6), (0, 2), (0, 2)):
            rows = source.part(start, stop).rows(CAPTIONS, reader)
            assert [row["caption_a"] for row in rows] == [f"c{k}" for k in range(start, stop)]


def test_a_slice_equals_the_part_of_the_whole(project):
    source = opened(project.write_captions([{"caption": f"caption {k}"} for k in range(9)]))
    assert source.part(3, 7).rows(CAPTIONS) == source.part(0, 9).rows(CAPTIONS)[3:7]


def test_ids_are_made_from_the_content(project):
    lines = [{"caption": "a ball"}, {"caption": "a cup"}, {"caption": "a ball"}]
    first, second, third = opened(project.write_captions(lines)).ids
    assert len({first, second, third}) == 3
    assert third == f"{first}-2"
    assert opened(project.write_captions(lines[1:])).ids == [second, first]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (
            '{"caption": "a',
            "input_line",
            "not valid JSON (Unterminated string starting at column 13)",
        ),
        ('{"caption": "a",}', "input_line", "not valid JSON ("),
        ("[1]", "input_line", "a list, expected a mapping"),
        ('{"id": [1], "caption": "a"}', "id_type", "id is a list, expected text"),
        ('{"id": true, "caption": "a"}', "id_type", "id is true or false, expected text"),
        ('{"caption": "\\ud800"}', "input_line", "not valid JSON ("),
        ("[" * 100_000, "input_line", "not valid JSON ("),
        ('{"caption": 9}', "caption_type", "caption_a is a number, expected text"),
        ('{"caption": "a", "objects": {"x": 1}}', "objects_form", "objects is a mapping, expected"),
        (
            '{"caption": "a", "objects": ["x", 1]}',
            "objects_form",
            "objects holds a number, expected",
        ),
        (
            f'{{"caption": "a", "objects": "{",".join(map(str, range(1001)))}"}}',
            "objects_many",
            "objects holds 1,001 names, at most 1,000 are taken",
        ),
        ('{"caption": "a", "edit": "x"}', "edit_form", "edit is text, expected kind, source"),
        ('{"caption": "a", "image_a": 5}', "image_path", "image_a is a number, expected a path"),
    ],
)
def test_a_line_that_cannot_be_read_fails_alone(project, line, code, message):
    path = project.write_captions([{"caption": "before"}, line, {"caption": "after"}])
    before, row, after = read(path)
    assert before.ok
    assert after.ok
    assert (row.status, row.reason) == ("failed", f"input: {code}")
    assert row.message.startswith("captions.jsonl:2: ")
    assert message in row.message


def test_bytes_that_are_no_text_fail_alone(project):
    path = project.write_captions([{"caption": "before"}])
    path.write_bytes(path.read_bytes() + b'{"caption": "\xff"}\n' + path.read_bytes())
    assert [row.status for row in read(path)] == ["ok", "failed", "ok"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b", "1 columns, expected 2"),
        ("b,cup,x", "3 columns, expected 2"),
        ('b,"open', "not valid CSV (unexpected end of data)"),
        ('b,"closed"x', "not valid CSV ("),
    ],
)
def test_a_record_that_cannot_be_read_fails_alone(project, line, message):
    path = project.write_captions(["id,caption", "a,ball", line, "c,tree", "d,boat"], "rows.csv")
    rows = read(path)
    assert [row.status for row in rows] == ["ok", "failed", "ok", "ok"]
    assert rows[1].reason == "input: input_line"
    assert rows[1].message.startswith(f"rows.csv:3: {message}")
    assert rows[3]["caption_a"] == "boat"


@pytest.mark.parametrize("given", [{}, {"caption": ""}, {"caption": "  "}, {"caption": None}])
def test_a_row_without_a_caption_is_rejected(project, given):
    (row,) = read(project.write_captions([{"id": "a"} | given]))
    assert (row.status, row.reason) == ("rejected", "input: caption_empty")
    assert row.message == "captions.jsonl:1: caption_a is empty"


def test_repeated_ids_are_refused_with_both_lines(project):
    path = project.write_captions([{"id": "a"}, {"id": "b"}, {"id": 1}, {"id": "a"}])
    with pytest.raises(InputError) as error:
        opened(path)
    assert str(error.value) == (
        'captions.jsonl: id "a" appears on lines 1 and 4. Ids must be unique.'
    )


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("rows.jsonl", [], "rows.jsonl has no rows"),
        ("rows.csv", ["id,caption"], "rows.csv has no rows"),
        ("rows.csv", ["id,id"], "rows.csv:1: the first line must name the columns, each once"),
        ("rows.csv", [""], "rows.csv:1: the first line must name the columns, each once"),
        ("rows.csv", ['id,"x'], "rows.csv:1: not valid CSV (unexpected end of data)"),
        (
            "rows.tsv",
            ["x"],
            "rows.tsv: expected a folder, or a file whose name ends in",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(project, name, lines, message):
    with pytest.raises(InputError) as error:
        opened(project.write_captions(lines, name))
    assert str(error.value).removesuffix(" .txt, .jsonl, .csv, .json or .parquet") == message


def test_an_absent_file_is_refused(project):
    with pytest.raises(InputError, match=r"no such file or folder: none\.jsonl"):
        opened("none.jsonl")


def test_pictures_are_read_from_the_folder_of_the_input(project):
    write_picture("data/images/a.png")
    names = {"image_a": "images/a.png", "image_b": "images/a.png"}
    (row,) = read(project.write_captions([names], "data/pairs.jsonl"), PAIRS)
    assert row["image_a"] == {
        "bytes": Path("data/images/a.png").read_bytes(),
        "path": "images/a.png",
    }


def test_fields_that_the_recipe_makes_are_not_read(project):
    demand = Demand(42, 1000, frozenset(["caption_a"]), frozenset(["image_a"]))
    (row,) = read(project.write_captions([{"caption": "a", "image_a": "none.png"}]), demand)
    assert row.values == {"caption_a": "a"}


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "images/../../secret.png",
        "/etc/passwd",
        "link.png",
        "linked/secret.png",
        "C:\\x.png",
        "C:x.png",
        "\\\\server\\share\\x.png",
        "images\\..\\..\\secret.png",
        "images/\0.png",
    ],
)
def test_paths_that_leave_the_folder_fail(project, name):
    write_picture("secret.png")
    write_picture("elsewhere/secret.png")
    Path("data").mkdir()
    Path("data/link.png").symlink_to(Path("secret.png").absolute())
    Path("data/linked").symlink_to(Path("elsewhere").absolute())
    path = project.write_captions([{"image_a": name, "image_b": name}], "data/pairs.jsonl")
    (row,) = read(path, PAIRS)
    assert (row.status, row.reason) == ("failed", "input: path_outside")
    assert row.message == f"data/pairs.jsonl:1: image path {name} is outside the input's folder"
    assert "image_a" not in row.values


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({}, "failed input: image_missing", "no image_"),
        ({"image_a": "none.png"}, "failed input: image_missing", "cannot read none.png: No such"),
        ({"image_a": "empty.png"}, "failed input: image_empty", "empty.png is empty"),
        ({"image_a": "text.png"}, "failed input: image_unreadable", "text.png is not a JPEG"),
        ({"image_a": "big.png"}, "failed input: image_too_large", "Raise limits.max_pixels"),
        ({"image_a": "huge.png"}, "failed input: image_too_large", "too large for 1000 pixels"),
        (
            {"image_a": "a.png", "image_b": "wide.png"},
            "rejected input: pair_size_differs",
            "images are 8 x 8 and 9 x 8",
        ),
    ],
)
def test_pictures_that_cannot_be_used(project, fields, reason, message):
    for name, width, height in (("a", 8, 8), ("wide", 9, 8), ("big", 100, 11)):
        write_picture(f"{name}.png", width, height)
    Path("empty.png").write_bytes(b"")
    Path("text.png").write_bytes(b"<html>")
    Path("huge.png").write_bytes(bytes(8001))
    (row,) = read(project.write_captions([{"id": "x"} | fields], "pairs.jsonl"), PAIRS)
    assert f"{row.status} {row.reason}" == reason
    assert message in row.message


def test_the_recipe_may_say_what_columns_are_called(project):
    write_picture("cat.png")
    line = "cat.png,cat.png,7,wrong"
    path = project.write_captions(["before,after,number,image_a", line], "pairs.csv")
    names = {"image_a": "before", "image_b": "after", "id": "number"}
    source = Input(replace(find(str(path)), columns=names))
    assert (source.ids, source.columns) == (["7"], ("image_a", "image_b"))
    assert source.ignored == ["image_a"]
    (row,) = source.part(0, 1).rows(PAIRS)
    assert row["image_a"] == row["image_b"]


@pytest.mark.parametrize(
    ("size", "reason", "message"),
    [
        ((16, 12), "", ""),
        ((8, 6), "", ""),
        ((31, 23), "", ""),
        ((16, 16), "input: pair_aspect_differs", "images are 20 x 15 and 16 x 16"),
    ],
)
def test_an_image_b_of_another_size_is_fitted_if_the_recipe_says_so(project, size, reason, message):
    write_picture("a.png", 20, 15)
    write_picture("b.png", *size)
    path = project.write_captions([{"image_a": "a.png", "image_b": "b.png"}], "pairs.jsonl")
    (row,) = read(path, replace(PAIRS, fit=True))
    assert row.reason == reason
    assert message in row.message
    if row.ok:
        assert load_rgb(row["image_b"]).shape == (15, 20, 3)
        assert row["image_a"]["path"] == "a.png"


def test_an_image_b_of_the_same_size_is_left_as_it_is(project):
    write_picture("a.png")
    path = project.write_captions([{"image_a": "a.png", "image_b": "a.png"}], "pairs.jsonl")
    (row,) = read(path, replace(PAIRS, fit=True))
    assert row["image_b"]["bytes"] == Path("a.png").read_bytes()


def test_pictures_are_decoded_one_pair_at_a_time(project):
    """All eight pairs at once would take eight times as much."""
    write_picture("a.png", 1000, 800)
    names = {"image_a": "a.png", "image_b": "a.png"}
    part = opened(project.write_captions([names] * 8, "pairs.jsonl")).part(0, 8)
    demand = replace(PAIRS, max_pixels=10**6)
    part.rows(demand)  # what is imported, is imported now
    tracemalloc.start()
    part.rows(demand)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 2 * (1000 * 800 * 3)


@pytest.mark.parametrize("lines", [['{"id": "b"}'], ['{"id": "a"}']])
def test_an_input_that_changes_while_it_is_read_stops_the_run(project, lines):
    source = opened(project.write_captions([{"id": "a"}, {"id": "b"}]))
    project.write_captions(lines)
    with pytest.raises(StoppedError, match=r"captions\.jsonl has changed since the run began"):
        source.part(0, 2).rows(CAPTIONS)


def test_a_part_is_read_from_any_folder(project, monkeypatch):
    write_picture("data/cat.png")
    names = {"image_a": "cat.png", "image_b": "cat.png"}
    part = opened(project.write_captions([names], "data/pairs.jsonl")).part(0, 1)
    monkeypatch.chdir("/")
    (row,) = pickle.loads(pickle.dumps(part)).rows(PAIRS)
    assert row.ok


def test_a_column_that_the_recipe_needs_is_not_there(project):
    source = opened(project.write_captions([{"caption": "a", "other": 1}]))
    with pytest.raises(InputError) as error:
        source.refuse_without(["caption_a", "image_a"])
    assert str(error.value) == (
        "captions.jsonl gives no image_a, which the recipe needs. It has caption_a, other; "
        "if one of these is meant, say so under columns."
    )


def test_input_is_known_by_its_hash(project):
    path = project.write_captions([{"caption": "a"}])
    before = opened(path).sha256
    path.write_text(json.dumps({"caption": "b"}))
    assert opened(path).sha256 != before
