"""`recipes/efuf_data.yaml`: captions of rendered scenes, sorted by what their images show; moved
thresholds."""

from pathlib import Path

import pytest
from datasets import load_dataset
from runs import finished, rows_of

from imgdiff.toyland.scenes import generator, sample_scene

RECIPE = "recipes/efuf_data.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("efuf") / "run"


@pytest.mark.slow
def test_the_dataset_says_which_phrases_are_shown(folder: Path) -> None:
    left = finished(RECIPE, folder, "limit=16")
    assert left.report["rows"]["failed"] == 0
    pairs = load_dataset("parquet", data_files=str(folder / "data/pairs/*.parquet"), split="train")
    assert {"caption_a", "prompt", "phrases", "sentence_set"} <= set(pairs.column_names)
    positive = []
    for row in pairs:
        scene = sample_scene(generator("validation", int(row["id"].removeprefix("scene-"))))
        shown = {thing.name for thing in scene.objects}
        for phrase in row["phrases"]:
            assert row["caption_a"][phrase["start"] : phrase["end"]] == phrase["text"]
            if phrase["set"] == "positive":
                positive.append(phrase["text"].partition(" ")[2] in shown)
    assert len(positive) >= 10
    assert sum(positive) >= 0.8 * len(positive)


@pytest.mark.slow
def test_moved_thresholds_change_sets_without_scoring_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(RECIPE, folder, "limit=16")
    moved = "phrase_relevance_filter.positive_above=0.999"
    left = finished(RECIPE, folder, "limit=16", moved)
    phrases = [phrase for row in rows_of(left) for phrase in row["phrases"]]
    assert phrases
    assert all(phrase["score"] is not None for phrase in phrases)
    assert not any(phrase["set"] == "positive" for phrase in phrases)
    assert "1 of them from stored scores" in capsys.readouterr().out
