"""`recipes/pairs.yaml` on the pairs that it ships with, by their captions and without any."""

from pathlib import Path

import pytest
from runs import ROOT, finished, rows_of

PAIRS = ROOT / "recipes" / "data" / "pairs"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [(), (f"dataset_path={PAIRS}", "region_text_matching_filter=off")]
)
def test_shipped_pairs_become_samples(
    settings: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = finished("recipes/pairs.yaml", tmp_path / "run", "limit=14", *settings)
    assert left.report["rows"]["failed"] == 0
    assert left.report["samples"] >= 10
    assert [row.id for row in rows_of(left)] == [f"pair-{k:04d}" for k in range(14)]
    without_captions = "files not used: pairs.jsonl" in capsys.readouterr().out
    assert without_captions == bool(settings)
