"""EFUF's data from rendered scenes of the validation split, sorted by CLIP and by the truth."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from embedded.figures import Figure, share

from imgdiff.errors import StoppedError
from imgdiff.evaluation.chair import load_vocabulary
from imgdiff.run import COMPLETE, run_or_plan
from imgdiff.toyland.make import write_scenes
from imgdiff.toyland.scenes import generator, sample_scene

RECIPE = "recipes/efuf_data.yaml"
OPEN = ("positive_above=-1.0", "negative_below=-1.0", "sentence_above=-1.0")  # all captions stay


def sorted_captions(folder: Path, count: int) -> tuple[Path, Path]:
    """Two runs of the recipe on the same captions of so many scenes: sorted by CLIP as the recipe
    says, and by the truth.

    Raises:
        StoppedError: the recipe did not run to its end.
    """
    scenes, by_clip, by_truth = (folder / name for name in ("scenes", "by_clip", "by_truth"))
    if not (scenes / "scenes.jsonl").exists():
        write_scenes(scenes, count)
    every = [f"dataset_path={scenes / 'scenes.jsonl'}", f"export_path={by_clip}"]
    _run([*every, *(f"phrase_relevance_filter.{setting}" for setting in OPEN)])
    _write_truth(_rows(by_clip), by_truth)
    _run(every)  # decides again by the stored scores
    return by_clip, by_truth


def shown(scene: str) -> set[str]:
    """The categories of a scene of `write_scenes`, by its name."""
    drawn = sample_scene(generator("validation", int(scene.split("-")[1])))
    return {thing.category for thing in drawn.objects}


def precision_figures(run_folder: Path) -> list[Figure]:
    """How often the two sets of phrases are right about what is there."""
    vocabulary = load_vocabulary("toyland")
    right: dict[str, list[bool]] = {"positive": [], "negative": []}
    for row in _rows(run_folder):
        truth = shown(row["id"])
        for phrase in row["phrases"]:
            if phrase["set"]:
                there = bool(set(vocabulary.mentions(phrase["text"])) & truth)
                right[phrase["set"]].append(there == (phrase["set"] == "positive"))
    return [
        share("efuf_positive_precision", "phrases in D+ that are there", right["positive"]),
        share("efuf_negative_precision", "phrases in D- that are made up", right["negative"]),
    ]


def _write_truth(rows: Any, target: Path) -> None:
    """The same captions, every phrase in the set where it belongs."""
    vocabulary = load_vocabulary("toyland")

    def decide(row: dict[str, Any]) -> dict[str, Any]:
        truth = shown(row["id"])
        for phrase in row["phrases"]:
            there = set(vocabulary.mentions(phrase["text"])) & truth
            phrase["set"] = "positive" if there else "negative"
        whole = all(phrase["set"] == "positive" for phrase in row["phrases"])
        return row | {"sentence_set": "positive" if whole else ""}

    shutil.rmtree(target, ignore_errors=True)
    (target / "data" / "pairs").mkdir(parents=True)
    decided = [decide(row) for row in rows]
    table = datasets.Dataset.from_list(decided, features=rows.features)
    table.to_parquet(str(target / "data" / "pairs" / "train-00000.parquet"))


def _rows(run_folder: Path) -> Any:
    files = sorted(str(file) for file in (run_folder / "data" / "pairs").glob("*.parquet"))
    rows = datasets.load_dataset("parquet", data_files=files, split="train")
    return rows.cast_column("image_a", datasets.Image(decode=False))


def _run(overrides: Sequence[str]) -> None:
    code = run_or_plan(RECIPE, overrides, dry_run=False, restart=False)
    if code != COMPLETE:
        raise StoppedError(f"{RECIPE} ended with exit code {code}")
