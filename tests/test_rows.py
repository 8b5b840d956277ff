"""Rows: endings, copies, seeds, and the way into a table and back."""

import numpy as np
import pytest

from imgdiff.data.fields import FIELDS, INPUT_FIELDS
from imgdiff.data.images import encode_png
from imgdiff.data.rows import (
    Region,
    Row,
    derive_seed,
    features,
    from_table,
    to_table,
)
from imgdiff.testing import make_row

BOX = (1.0, 2.0, 3.0, 4.5)


def full_row():
    region = Region(
        BOX,
        "b",
        mask={"size": [4, 4], "counts": [3, 13]},
        scores={"fit": 0.25},
        caption_a="A car.",
        caption_b="A boat.",
        difference="It changed.",
        left="b",
        conversations=[{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}],
    )
    row = make_row(
        "row-7",
        [region, Region(BOX, "a")],
        caption_a="a car",
        caption_b="a boat",
        edit={"kind": "replace", "source": "car", "target": "boat"},
        image_a=encode_png(np.zeros((4, 4, 3), np.uint8)),
        image_b={"bytes": b"123", "path": "b.jpg"},
        objects=["car", "tree"],
        negatives=[
            {"caption": "a car and a boat", "family": "random", "objects": ["boat"]},
            {"caption": "a truck", "family": "alter", "objects": ["car"]},
        ],
    )
    row.scores["alike"] = 0.5
    return row


def through_table(rows, columns=(*INPUT_FIELDS, "negatives", "regions"), row_scores=("alike",)):
    schema = features(columns, row_scores, ["fit"]).arrow_schema
    return from_table(to_table(rows, schema))


class TestEndings:
    def test_row_is_ok_at_first(self):
        row = make_row()
        assert row.ok
        assert (row.status, row.reason, row.message) == ("ok", "", "")

    @pytest.mark.parametrize(("end", "status"), [(Row.reject, "rejected"), (Row.fail, "failed")])
    def test_ending_names_operator_and_code(self, end, status):
        row = make_row()
        end(row, "some_filter", "too_small", "it is 3, wanted 4")
        assert not row.ok
        assert (row.status, row.reason) == (status, "some_filter: too_small")
        assert row.message == "it is 3, wanted 4"

    def test_kept_regions_are_those_still_ok(self):
        row = make_row(regions=[Region(BOX, "a"), Region(BOX, "b")])
        row.regions[0].reject("some_filter", "too_small")
        assert row.kept_regions == [row.regions[1]]
        assert row.regions[0].reason == "some_filter: too_small"


def test_copy_can_be_changed_alone():
    row, untouched = full_row(), full_row()
    copy = row.copy()
    assert copy == row
    copy["caption_a"] = "other"
    copy.scores["more"] = 1.0
    copy.reject("x", "y", "z")
    copy.regions[0].scores["more"] = 1.0
    copy.regions[0].conversations.append({"from": "gpt", "value": "No."})
    copy.regions[0].reject("x", "y")
    copy.regions.pop()
    assert row == untouched


class TestSeeds:
    def test_value_is_fixed_for_ever(self):
        """Another value here means that no earlier run can be repeated."""
        assert derive_seed(42, "row-0") == 864728683065724039

    def test_names_and_seeds_do_not_run_together(self):
        seeds = [
            derive_seed(s, n) for s, n in [(1, "23"), (12, "3"), (123, ""), (1, "24"), (2, "23")]
        ]
        assert len(set(seeds)) == 5
        assert all(0 <= seed < 2**63 for seed in seeds)

    def test_random_numbers_differ_by_row_and_operator_only(self):
        first = make_row("a").random("one").random(3).tolist()
        assert make_row("a").random("one").random(3).tolist() == first
        assert make_row("a").random("two").random(3).tolist() != first
        assert make_row("b").random("one").random(3).tolist() != first


class TestTable:
    def test_round_trip(self):
        row = full_row()
        assert through_table([row]) == [row]

    def test_round_trip_of_refused_rows_and_regions(self):
        rejected, failed = full_row(), full_row()
        rejected.regions[0].reject("some_filter", "too_small")
        rejected.reject("some_filter", "nothing_left", "none of 2")
        failed.fail("some_mapper", "broken", "it broke")
        assert through_table([rejected, failed]) == [rejected, failed]

    def test_what_a_row_lacks_stays_absent(self):
        """Also where the neighbours have it, and no score becomes 0."""
        bare = make_row("bare", caption_a="a car")
        full = full_row()
        bare_again, full_again = through_table([bare, full])
        assert bare_again == bare
        assert full_again == full

    def test_no_scores_at_all(self):
        row = make_row(caption_a="a car")
        assert through_table([row], ["caption_a"], []) == [row]

    def test_empty_table_has_the_schema(self):
        schema = features(INPUT_FIELDS, [], []).arrow_schema
        table = to_table([], schema)
        assert table.schema == schema
        assert from_table(table) == []

    def test_rows_without_regions_have_the_same_schema(self):
        schema = features(["regions"], [], []).arrow_schema
        empty, full = make_row(), make_row(regions=[Region(BOX, "a")])
        assert to_table([empty], schema).schema == to_table([full], schema).schema

    def test_every_field_has_a_type(self):
        columns = [name for name in FIELDS if "." not in name]
        assert set(columns) <= set(features(columns, [], []))
        inner = {name.partition(".")[2] for name in FIELDS if "." in name}
        assert inner <= set(features(["regions"], [], [])["regions"].feature)

    def test_seed_of_63_bits(self):
        row = Row("x", 2**63 - 1)
        assert through_table([row], []) == [row]
