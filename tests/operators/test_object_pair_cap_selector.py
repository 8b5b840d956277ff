"""object_pair_cap_selector: the first pairs of every exchange of objects."""

import pytest

from imgdiff.engine.selection import Selection
from imgdiff.operators.selection.object_pair_cap_selector import ObjectPairCapSelector
from imgdiff.testing import make_row


def selected(captions, max_count, edits=None):
    rows = [make_row(f"row-{k}", caption_a=a, caption_b=b) for k, (a, b) in enumerate(captions)]
    for row, edit in zip(rows, edits or [None] * len(rows), strict=True):
        row.values |= {"edit": edit} if edit else {}
    Selection([ObjectPairCapSelector(ObjectPairCapSelector.Params(max_count=max_count))]).run(rows)
    return rows


def test_the_first_ones_of_each_pair_of_objects_are_kept():
    rows = selected(
        [
            ("a red car on sand", "a red boat on sand"),
            ("a red boat on sand", "a red car on sand"),  # the other way round
            ("A Car", "a boat"),
            ("a car", "a truck"),
            ("two mugs and a car", "two mugs and a boat"),
        ],
        max_count=2,
    )
    assert [row.scores["object_pair_count"] for row in rows] == [1, 1, 2, 1, 3]
    assert [row.ok for row in rows] == [True, True, True, True, False]
    assert rows[4].reason == "object_pair_cap_selector: over_cap"
    assert rows[4].message == "2 pairs with 'car' -> 'boat' were kept before it"


@pytest.mark.parametrize(
    ("captions", "objects"),
    [
        (("a mug", "a mug and a ball"), "'' -> 'ball'"),
        (("a dog and a cat", "a dog"), "'cat' -> ''"),
        (("a red car and a mug", "a blue car and a cup"), "'red mug' -> 'blue cup'"),
    ],
)
def test_words_that_differ_stand_for_the_objects(captions, objects):
    _, row = selected([captions, captions], max_count=1)
    assert objects in row.message


def test_the_edit_is_believed_before_the_captions():
    edit = {"kind": "replace", "source": "Hot dog", "target": "pie"}
    captions = ("lunch, photographed", "lunch, painted")
    rows = selected([captions] * 3, max_count=1, edits=[edit, None, edit | {"source": "hot dog"}])
    assert [row.ok for row in rows] == [True, True, False]
    assert "'hot dog' -> 'pie'" in rows[2].message


def test_threshold_for_the_report():
    params = ObjectPairCapSelector.Params(max_count=7)
    assert ObjectPairCapSelector(params).thresholds() == {"object_pair_count": (None, 7)}
