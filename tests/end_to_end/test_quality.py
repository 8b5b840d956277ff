"""The embedded models and the recipes on them against toyland's truth: `benchmarks/quality.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT

# a sixth of the benchmark's cases, so the bars are wider than the ones it is judged by
LOWEST = {
    "judge_scenes": 0.95,
    "diffusion_one_object": 0.65,
    "diffusion_two_objects": 0.4,
    "autoencoder_psnr": 29.5,
    "edit_new_object": 0.6,
    "edit_kept_objects": 0.45,
    "clip_category": 0.93,
    "clip_colour": 0.93,
    "matcher_itc": 0.95,
    "matcher_itm": 0.95,
    "segmenter_iou": 0.80,
    "segmenter_recall": 0.88,
    "mllm_region_caption": 0.85,
    "mllm_difference": 0.70,
    "mllm_yes_no": 0.7,
    "area_recall": 0.80,
    "area_precision": 0.7,
    "caption_right": 0.55,
    "chain_rows_kept": 0.2,
    "chain_box_right": 0.5,
}
HIGHEST = {"false_alarm": 0.20, "segmenter_spurious": 1, "mllm_chair_i": 0.35, "all_mb": 40}


@pytest.mark.slow
def test_embedded_models_are_as_good_as_the_page_says(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    command = [sys.executable, "benchmarks/quality.py", "--quick", "--json", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    figures = json.loads(file.read_text())
    assert {name: figures[name] for name, bar in LOWEST.items() if not figures[name] >= bar} == {}
    assert {name: figures[name] for name, bar in HIGHEST.items() if not figures[name] <= bar} == {}
