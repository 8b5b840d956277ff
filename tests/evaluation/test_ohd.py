"""OHD: files, ties, families; `ohd_out_label.json` is ours, in the form of the released ones.

Its third row has a negative twice, its fourth the own caption among the negatives.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from imgdiff.data.images import encode_png
from imgdiff.errors import RefusedError
from imgdiff.evaluation import toyland
from imgdiff.evaluation.ohd import Item, read_released, read_run, scores
from imgdiff.text.negatives import FAMILIES

RELEASED = Path(__file__).parent / "ohd_out_label.json"
LABELS = [0, 3, 27, 14, 5]


@pytest.fixture
def released():
    return read_released(RELEASED, toyland.load_picture)


def test_the_own_caption_comes_to_the_front(released):
    content = json.loads(RELEASED.read_text())
    assert [row["label"] for row in content] == LABELS
    for row, item in zip(content, released, strict=True):
        assert item.captions[0] == row["caption"][row["label"]]
        assert sorted(item.captions) == sorted(row["caption"])
        assert len(item.captions) == 28
    assert released[4].load().shape == (128, 128, 3)


def told(best, tie=None):
    """Scores of 28 captions: the one at place `best` is the highest, that at `tie` its equal."""
    values = np.linspace(0.1, 0.3, 28)
    values[[best] if tie is None else [best, tie]] = 0.9
    return values


def test_accuracy_by_hand(released):
    # right; wrong; a tie; right but for the own caption among the negatives; right
    repeated = released[3].captions.index(released[3].captions[0], 1)
    found = [told(0), told(5), told(0, 4), told(0, repeated), told(0)]
    tables = scores(released, found)
    assert set(tables) == {"raw", "distinct"}
    assert tables["raw"]["accuracy"].value == pytest.approx(2 / 5)
    assert tables["distinct"]["accuracy"].value == pytest.approx(3 / 5)
    assert tables["raw"]["chance"].value == pytest.approx(1 / 28)
    assert tables["distinct"]["chance"].value == pytest.approx((3 / 28 + 2 / 27) / 5)
    assert tables["raw"]["accuracy"].items == 5


def test_one_score_for_all_is_never_right(released):
    tables = scores(released, [np.ones(28)] * 5)
    assert tables["raw"]["accuracy"].value == tables["distinct"]["accuracy"].value == 0


def test_families_by_hand():
    families = ("random", "random", "popular", "remove", "popular")
    captions = ("own", "r1", "r2", "p1", "m1", "r1")  # the last is there already
    item = Item(lambda: np.zeros((2, 2, 3), np.uint8), captions, families)
    bare = Item(item.load, ("own", "r1"), ("random",))
    found = [np.array([0.5, 0.4, 0.6, 0.4, 0.5, 0.4]), np.array([0.5, 0.1])]
    tables = scores([item, bare], found)
    values = {name: table["accuracy"].value for name, table in tables.items()}
    # of the first: r2 is above it, p1 below, m1 its equal
    assert values == {"raw": 0.5, "distinct": 0.5, "random": 0.5, "popular": 1.0, "remove": 0.0}
    assert tables["popular"]["accuracy"].items == 1
    assert tables["popular"]["chance"].value == pytest.approx(1 / 2)
    assert tables["random"]["chance"].value == pytest.approx((1 / 3 + 1 / 2) / 2)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"a": 1}', "expected a list of rows"),
        ('[{"image": "x", "caption": ["a", "b"]}]', r"row 1: expected image.*KeyError: 'label'"),
        (
            '[{"image": "x", "caption": ["a", "b"], "label": 2}]',
            "row 1: expected .*IndexError",
        ),
        ('[{"image": "x", "caption": ["a", 1], "label": 0}]', "row 1: caption is no list of two"),
        ('[{"image": "x", "caption": ["a"], "label": 0}]', "row 1: caption is no list of two"),
        ("nonsense", "not valid JSON"),
    ],
)
def test_other_files_are_refused_by_row(tmp_path, content, problem):
    path = tmp_path / "out_label.json"
    path.write_text(content)
    with pytest.raises(RefusedError, match=rf"out_label.json.*{problem}"):
        read_released(path, toyland.load_picture)


def write_run(folder, rows, name="00000.parquet", group=2):
    import pyarrow as pa
    from pyarrow import parquet

    (folder / "data" / "pairs").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    parquet.write_table(table, folder / "data" / "pairs" / name, row_group_size=group)


def run_row(level):
    picture = encode_png(np.full((4, 4, 3), level, np.uint8))
    negative = {"caption": f"not {level}", "family": "random", "objects": ["cat"]}
    return {"image_a": picture, "caption_a": f"level {level}", "negatives": [negative]}


def test_what_a_run_kept_is_read_from_all_its_files(tmp_path):
    write_run(tmp_path, [run_row(level) for level in range(5)])
    write_run(tmp_path, [run_row(level) for level in range(5, 8)], "00001.parquet")
    for folder in (tmp_path, tmp_path / "data"):
        items = read_run(folder)
        assert [item.captions[0] for item in items] == [f"level {k}" for k in range(8)]
        assert [int(item.load()[0, 0, 0]) for item in reversed(items)] == [*range(8)][::-1]
        assert items[3].captions[1:] == ("not 3",)
        assert items[3].families == ("random",)


def test_other_runs_are_refused(tmp_path):
    with pytest.raises(RefusedError, match="is no run that has kept images with negatives"):
        read_run(tmp_path)
    write_run(tmp_path, [{"image_a": None, "caption_a": "a"}])
    with pytest.raises(RefusedError, match="has no column negatives"):
        read_run(tmp_path)


def test_toyland_has_all_families():
    items = toyland.ohd_items(30)
    assert {len(item.captions) for item in items} == {28}
    assert {family for item in items for family in item.families} == set(FAMILIES)
    assert items[0].load().shape == (128, 128, 3)
