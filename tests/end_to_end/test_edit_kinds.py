"""`recipes/attribute.yaml` and `recipes/add.yaml` on the embedded models."""

from pathlib import Path

import pytest
from runs import SMALL, finished, rows_of


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attribute", "add"])
def test_pairs_of_a_kind_are_drawn_by_refining_and_some_are_kept(kind: str, tmp_path: Path) -> None:
    left = finished(f"recipes/{kind}.yaml", tmp_path / "run", *SMALL)
    rows = rows_of(left)
    assert left.report["rows"]["failed"] == 0
    assert left.report["samples"] >= 4
    assert {row["edit"]["kind"] for row in rows} == {kind}
    assert {row["editing"]["mode"] for row in rows} == {"refine"}
    for row in rows:
        assert row["edit"]["source"] in row["caption_a"]
        assert row["edit"]["target"] in row["caption_b"]
        assert row["edit"]["target"] not in row["caption_a"]
