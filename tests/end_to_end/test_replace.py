"""`recipes/replace.yaml` on the embedded models: what it leaves, and leaves the same again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from runs import ROOT, SMALL, finished, rows_of

from imgdiff.cli import main
from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.export.formats import FORMATS
from imgdiff.store.run_dir import RunDir


def thresholds(run: RunDir) -> dict[str, list[float | None]]:
    return {k: v for step in run.info.operators for k, v in step.thresholds.items()}


def decisions(rows: list[Row]) -> list[tuple]:
    """All that must be the same, bit for bit: ids, decisions, boxes and captions."""
    return [
        (row.id, row.status, row.reason, row.values.get("caption_b"), *map(decided, row.regions))
        for row in rows
    ]


def decided(region: Region) -> tuple:
    captions = (region.caption_a, region.caption_b, region.difference)
    return region.box_xyxy, region.source, region.status, region.reason, *captions


def test_the_run_is_exported_in_every_format(replace_run: RunDir, tmp_path: Path) -> None:
    chosen = [argument for name in FORMATS for argument in ("--format", name)]
    output = ["--output", str(tmp_path), "--validation-fraction", "0.5"]
    assert main(["export", str(replace_run.path), *chosen, *output]) == 0
    counts = [
        json.loads((tmp_path / name / "export.json").read_text())["samples"] for name in FORMATS
    ]
    assert sum(counts[0].values()) == replace_run.report["samples"]
    assert counts == [counts[0]] * len(FORMATS)


def test_the_dataset_opens_and_holds_what_was_kept(replace_run: RunDir) -> None:
    from datasets import load_dataset

    data = str(replace_run.path / "data")
    pairs = load_dataset(data, split="train")
    samples = load_dataset(data, "samples", split="train")
    report = replace_run.report
    assert len(pairs) == report["rows"]["ok"] > 0
    assert len(samples) == report["samples"] >= len(pairs)
    assert {s["pair_id"] for s in samples} == set(pairs["id"])
    for pair in pairs:
        assert pair["image_a"].size == pair["image_b"].size == (128, 128)
        assert pair["image_a"].tobytes() != pair["image_b"].tobytes()
        assert pair["edit"]["source"] in pair["caption_a"]
        assert pair["edit"]["target"] in pair["caption_b"]
        assert pair["provenance"][1]["operator"] == "sdxl_prompt2prompt_mapper"
        for region in pair["regions"]:
            left, top, right, bottom = region["box_xyxy"]
            assert 0 <= left < right <= 128
            assert 0 <= top < bottom <= 128
            human, gpt = region["conversations"]
            assert human["value"].count("<image>") == 1
            assert gpt["value"] == region["difference"] != ""


def test_every_row_ends_once_and_the_dropped_say_why(replace_run: RunDir) -> None:
    from datasets import load_dataset

    rows, counts = rows_of(replace_run), replace_run.report["rows"]
    assert len({row.id for row in rows}) == len(rows) == counts["total"] == 16
    assert counts["ok"] + counts["rejected"] + counts["failed"] == 16
    assert counts["failed"] == 0
    dropped = load_dataset(str(replace_run.path / "dropped"), "pairs", split="train")
    assert len(dropped) == counts["rejected"]
    assert all(re.fullmatch(r"[a-z0-9_]+: [a-z_]+", reason) for reason in dropped["reason"])


def test_scores_agree_with_decisions(replace_run: RunDir) -> None:
    limits = thresholds(replace_run)
    for row in rows_of(replace_run):
        for region in row.kept_regions if row.ok else []:
            for name in ("crop_similarity", "caption_similarity"):
                assert region.scores[name] <= limits[name][1]
    refused = [row for row in rows_of(replace_run) if "image_pair_similarity" in row.reason]
    low, high = limits["image_pair_similarity"]
    assert not any(low <= row.scores["image_pair_similarity"] <= high for row in refused)


def test_the_report_shows_pictures_boxes_and_thresholds(replace_run: RunDir) -> None:
    page = (replace_run.path / "report.html").read_text()
    assert page.count("data:image/") >= 2 * replace_run.report["rows"]["ok"]
    assert "<svg" in page
    assert "crop similarity" in page
    kept = next(row for row in rows_of(replace_run) if row.ok)
    assert kept.kept_regions[0].difference in page
    assert not re.search(r"(src|href)=[\"']https?://", page)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_rows(replace_run: RunDir, tmp_path: Path) -> None:
    again = finished("recipes/replace.yaml", tmp_path / "again", *SMALL)
    assert decisions(rows_of(again)) == decisions(rows_of(replace_run))


@pytest.mark.slow
def test_other_batches_and_shards_hardly_matter(replace_run: RunDir, tmp_path: Path) -> None:
    sizes = [
        f"{step.name}.batch_size={size}"
        for step, size in zip(replace_run.info.operators, [5, 3, 4, 2] * 4, strict=False)
    ]
    other = finished("recipes/replace.yaml", tmp_path / "o", "limit=16", "shard_rows=5", *sizes)
    for one, two in zip(rows_of(replace_run), rows_of(other), strict=True):
        for name in ("image_a", "image_b"):
            a, b = (images.load_rgb(row[name]).astype(float) / 255 for row in (one, two))
            assert np.abs(a - b).mean() < 1e-3
        if not near_a_threshold(replace_run, one):
            assert (one.id, one.status, one.reason) == (two.id, two.status, two.reason)
            kept = [[edge for r in row.kept_regions for edge in r.box_xyxy] for row in (one, two)]
            assert kept[0] == kept[1]


def near_a_threshold(run: RunDir, row: Row) -> bool:
    limits = thresholds(run)
    scored = [row.scores, *(region.scores for region in row.regions)]
    return any(
        abs(scores[name] - limit) < 1e-3
        for scores in scored
        for name in scores.keys() & limits.keys()
        for limit in limits[name]
        if limit is not None
    )


@pytest.mark.slow
def test_killed_three_times_it_ends_with_the_same_samples(
    replace_run: RunDir, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "imgdiff.run", "recipes/replace.yaml"]
    command += [f"export_path={folder}", *SMALL]
    for manifests in (1, 4, 7):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for_manifests(folder, manifests, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
    left = finished("recipes/replace.yaml", folder, *SMALL)
    assert decisions(rows_of(left)) == decisions(rows_of(replace_run))
    assert not list(folder.rglob("*.tmp"))


def wait_for_manifests(folder: Path, count: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while len(list(folder.glob("stages/*/*.json"))) < count:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until, "the run makes no progress"
        time.sleep(0.05)
