"""A caption file with every kind of bad line, through the shipped recipe."""

import json
from pathlib import Path

import pytest
from runs import ROOT, finished, rows_of

from imgdiff.run import main as run

GOOD = [
    {"id": "car", "caption": "a red car on the grass"},
    {"id": "boat", "caption": "a blue boat and a white duck on the water"},
]
LONG = {"id": "long", "caption": "a red car " + "and a red car " * 125}


@pytest.mark.slow
def test_bad_lines_end_with_their_reason(tmp_path: Path) -> None:
    lines = [json.dumps(entry) for entry in (*GOOD, {"id": "none", "caption": " "}, LONG)]
    lines.insert(1, '{"id": "broken", "caption": "a red car')
    (tmp_path / "captions.jsonl").write_text("\n".join(lines) + "\n")
    left = finished(
        "recipes/replace.yaml",
        tmp_path / "run",
        f"dataset_path={tmp_path}/captions.jsonl",
        "limits.max_failed_fraction=1.0",
        "sdxl_prompt2prompt_mapper.num_inference_steps=2",
    )
    rows = rows_of(left)
    reasons = {row.id: (row.status, row.reason) for row in rows[1:2] + rows[3:]}
    assert list(reasons.values()) == [
        ("failed", "input: input_line"),
        ("rejected", "input: caption_empty"),
        ("rejected", "caption_edit_mapper: caption_too_long"),
    ]
    assert "captions.jsonl:2" in rows[1].message
    assert "the text encoder reads 38" in rows[4].message
    assert left.report["rows"]["total"] == 5


def test_an_id_on_two_lines_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = [GOOD[0], GOOD[1], GOOD[0]]
    captions = tmp_path / "captions.jsonl"
    captions.write_text("".join(json.dumps(entry) + "\n" for entry in twice))
    recipe, target = ROOT / "recipes/replace.yaml", tmp_path / "run"
    assert run([str(recipe), f"dataset_path={captions}", f"export_path={target}"]) == 2
    assert 'id "car" appears on lines 1 and 3. Ids must be unique.' in capsys.readouterr().err
    assert not target.exists()
