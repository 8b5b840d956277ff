"""What an operator does wrong costs the one row at which it does it, and says what it was."""

import json
import math

import numpy as np
import pytest

from imgdiff import run
from imgdiff.data.fields import FIELDS
from imgdiff.data.rows import features, to_table
from imgdiff.data.storable import misfit
from imgdiff.testing import make_row

# act -> the message of its row
MESSAGES = {
    "number": "TypeError: caption_b is a number (3), expected text",
    "list": "TypeError: caption_b is a list (['a', 'b']), expected text",
    "bytes": "TypeError: caption_b is bytes (b'a'), expected text",
    "surrogate": r"TypeError: caption_b is text ('a \ud800 b'), "
    "expected text without lone surrogates",
    "unreadable_value": "TypeError: caption_b is UnreadableValue (...), expected text",
    "edit_text": "TypeError: edit is text ('replace'), expected a mapping",
    "edit_inside": "TypeError: edit.source is a number (1), expected text",
    "objects_text": "TypeError: objects is text ('car'), expected a list",
    "objects_inside": "TypeError: objects[1] is a number (5), expected text",
    "image_text": "TypeError: image_a.bytes is text ('GIF89'), expected bytes",
    "image_path": "TypeError: image_a is text ('a.png'), expected a mapping",
    "input_spoilt": "TypeError: objects[1] is a number (5), expected text",
    "regions_none": "TypeError: regions is empty (None), expected a list of regions",
    "regions_mapping": "TypeError: regions[0] is a mapping ({'box_xyxy': (0, 0, 1, 1)}), "
    "expected a region",
    "box_short": "TypeError: regions[1].box_xyxy is tuple ((0.0, 1.0)), expected a list of 4",
    "box_none": "TypeError: regions[1].box_xyxy[2] is empty (None), expected a number",
    "region_caption": "TypeError: regions[1].caption_a is empty (None), expected text",
    "region_status": "TypeError: regions[1].status is text ('done'), "
    "expected ok or rejected or failed",
    "region_score": "TypeError: regions[1].scores.area_width is Decimal (Decimal('1')), "
    "expected a number",
    "mask": "TypeError: regions[1].mask.counts[0] is a number (1099511627776), "
    "expected a whole number of 32 bits",
    "status_done": "TypeError: status is text ('done'), expected ok or rejected or failed",
    "status_none": "TypeError: status is empty (None), expected ok or rejected or failed",
    "no_reason": "TypeError: reason is text (''), expected why the status is rejected",
    "reason_none": "TypeError: reason is empty (None), expected text",
    "message_number": "TypeError: message is a number (5), expected text",
    "seed": "ValueError: gave back other rows, or in another order, than it got (1 in, 1 out)",
    "exit": "SystemExit: 0",
    "unreadable": "UnreadableError: it has no text that can be read",
    "panic": "PanicError: the library panicked",
    "surrogate_error": r"ValueError: \ud800 is bad",
}


@pytest.mark.parametrize("act", MESSAGES)
def test_one_odd_row_costs_one_row(odd, act):
    odd.write_recipe(process=[{"odd_mapper": {"act": act}}])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = odd.rows()
    assert [row.id for row in rows if not row.ok] == ["cap-odd"]
    assert (rows[3].status, rows[3].reason) == ("failed", "odd_mapper: operator_error")
    assert rows[3].message == MESSAGES[act]
    assert [row["caption_b"] for row in rows if row.ok] == ["a!", "b!", "c!", "e!", "f!"]
    assert all(row["objects"] == ["car"] for row in rows)
    report = json.loads((odd.run_path / "report.json").read_text())
    assert report["rows"] == {"total": 6, "ok": 5, "rejected": 0, "failed": 1}


@pytest.mark.parametrize(
    ("score", "found"),
    [
        ("decimal", "Decimal (Decimal('0.5'))"),
        ("text", "text ('0.5')"),
        ("none", "empty (None)"),
        ("array", "ndarray (array([0.5, 0.6]))"),
        ("huge", f"a number ({2**60})"),
    ],
)
def test_a_score_is_a_number(odd, score, found):
    odd.write_recipe(process=["light_edit_mapper", {"odd_filter": {"score": score}}])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = odd.rows()
    assert [row.id for row in rows if not row.ok] == ["cap-odd"]
    assert rows[3].reason == "odd_filter: operator_error"
    assert rows[3].message == f"TypeError: scores.oddness is {found}, expected a number"
    assert rows[3]["caption_b"] == "odd!"


@pytest.mark.parametrize(("score", "stored"), [("nan", math.nan), ("float32", 0.5), ("whole", 1)])
def test_numbers_of_any_kind_are_scores(odd, score, stored):
    odd.write_recipe(process=["light_edit_mapper", {"odd_filter": {"score": score}}])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert odd.rows()[3].scores["oddness"] == pytest.approx(stored, nan_ok=True)


@pytest.mark.parametrize(("limit", "message"), [(1, MESSAGES["status_done"]), (2, "SystemExit: 0")])
def test_a_stored_score_is_decided_no_other_way(odd, limit, message):
    odd.write_recipe(process=["light_edit_mapper", "odd_limit_filter"])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert all(row.ok for row in odd.rows())
    assert run.main(["mine.yaml", f"odd_limit_filter.limit={limit}"]) == run.COMPLETE
    (row,) = (row for row in odd.rows() if not row.ok)
    assert (row.id, row.reason) == ("cap-odd", "odd_limit_filter: operator_error")
    assert row.message == message


VALUES = [
    *("text", b"bytes", 3, 3.5, True, np.float32(3.5), np.int64(3), np.float16(1), None),
    *("\ud800", np.str_("text"), 2**31, 2**60, 10**400, np.bool_(True), [], {}, (), object()),
    *(["text"], ("text",), np.array(["text"]), [3], [None], {"text"}, {"kind": "text"}),
    *({"kind": 3}, {"kind": "\udcff"}, {"bytes": b"x"}, {"path": "\ud800"}, [[]], [{}]),
    *([{"text": "a", "start": 1.5}], [{"start": 2**31}], [{"score": 1e300}], [{"start": 7}]),
    *([{"score": 2**25}], [{"objects": "ab"}], [{"objects": [None]}], {"candidate": 1}),
    {"candidate_scores": [1, 2.5, np.float32(1)]},
]


@pytest.mark.parametrize("name", [name for name in FIELDS if "." not in name and name != "regions"])
def test_what_passes_can_be_stored(name):
    """Whatever it is: the file's own library is asked."""
    schema = features([name], (), ()).arrow_schema
    passed = [row for value in VALUES if not misfit(row := make_row(**{name: value}))]
    assert to_table(passed, schema).num_rows == len(passed) > 1
