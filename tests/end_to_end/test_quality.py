"""The two generators against toyland's truth, on the pairs of `benchmarks/quality.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT

# a fifth of the benchmark's pairs, so the bars are wider than the ones it is judged by
LOWEST = {"area_recall": 0.60, "area_precision": 0.60, "caption_right": 0.50}
HIGHEST = {"false_alarm": 0.20}


@pytest.mark.slow
def test_boxes_and_captions_are_mostly_right(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "benchmarks/quality.py",
        "--quick",
        "--json",
        str(tmp_path / "q.json"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    figures = json.loads((tmp_path / "q.json").read_text())
    assert {name: figures[name] for name, bar in LOWEST.items() if figures[name] < bar} == {}
    assert {name: figures[name] for name, bar in HIGHEST.items() if figures[name] > bar} == {}
