"""The dataset folder of a finished run, opened the way its users open it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from run_infos import run_info

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region, Row
from imgdiff.export import parquet_files
from imgdiff.export.card import limits, plain_markdown
from imgdiff.export.dataset import write_dataset
from imgdiff.store.run_info import RunInfo

_STORED: dict[str, Any] = {
    "project_name": "two | pairs",
    "recipe": {"seed": 42},
    "versions": {"imgdiff": "0.1.0"},
    "models": {
        "clip": {"name": "/home/someone/models/clip", "revision": None, "fingerprint": "c0ffee"}
    },
    "input": {"path": "/home/someone/captions.jsonl", "rows": 4, "sha256": "5a"},
    "operators": [
        {
            "name": "maker",
            "version": "1",
            "params_sha256": "aa",
            "roles": [],
            "writes": ["caption_b", "image_a", "image_b"],
            "scores": [],
            "region_scores": [],
            "thresholds": {},
        },
        {
            "name": "area_filter",
            "version": "2",
            "params_sha256": "bb",
            "roles": ["clip"],
            "writes": ["regions", "regions.difference", "regions.conversations"],
            "scores": ["likeness"],
            "region_scores": ["change"],
            "thresholds": {"likeness": [0.5, None], "change": [None, 0.85]},
        },
    ],
    "phases": [
        {"name": "extra", "columns": ["caption_a", "caption_b", "image_a", "image_b", "regions"]}
    ],
    "started": "2026-11-20T13:00:00+00:00",
}
INFO = run_info(_STORED)


@dataclass
class Run:
    """A finished run in memory."""

    path: Path
    shards: list[list[Row]]
    info: RunInfo = INFO

    @property
    def shard_count(self) -> int:
        return len(self.shards)

    def rows(self, shard: int, leave_out: Collection[str] = ()) -> list[Row]:
        return self.shards[shard]

    @property
    def report(self) -> dict[str, Any]:
        rows = [row for shard in self.shards for row in shard]
        counts = {
            status: sum(row.status == status for row in rows)
            for status in ("ok", "rejected", "failed")
        }
        reasons = {row.reason: 1 for row in rows if row.reason}
        samples = sum(len(row.kept_regions) for row in rows if row.ok)
        tally = {"name": "area_filter", "rows_in": 2, "rows_ok": 1, "rejected": {"no_area": 1}}
        tally |= {"failed": {}, "regions_in": 3, "regions_kept": 1}
        tally |= {"regions_refused": {"area_unchanged": 2}}
        endings = {"rows": {"total": len(rows), **counts}, "reasons": reasons}
        return endings | {"operators": [tally], "samples": samples}


def make_row(name: str, *regions: Region) -> Row:
    image = encode_png(np.full((8, 8, 3), 200, np.uint8)) | {"path": f"/home/someone/{name}.png"}
    captions = {"caption_a": f"a red car ({name})", "caption_b": "a blue boat"}
    values = {**captions, "image_a": image, "image_b": image}
    return Row(name, 7, values, list(regions), scores={"likeness": 0.75})


def make_region(difference: str) -> Region:
    turns = [
        {"from": "human", "value": "<image>\n<image>\nWhat differs?"},
        {"from": "gpt", "value": difference},
    ]
    scores = {"change": 0.25}
    return Region((1, 2, 3.5, 4), "a", scores=scores, difference=difference, conversations=turns)


def refused_region() -> Region:
    region = make_region("")
    region.reject("area_filter", "area_unchanged")
    return region


@pytest.fixture
def run(tmp_path: Path) -> Run:
    kept = make_row("kept", refused_region(), make_region("The car became a boat."))
    rejected = make_row("rejected", refused_region())
    rejected.reject("area_filter", "no_area", "none of 1 areas passed area_filter")
    unread = Row("unread", 8, {"caption_a": ""})
    unread.fail("reader", "caption_empty", "the caption is empty")
    broken = make_row("broken")
    broken["image_b"] = {"bytes": b"\x89PNG\r\n", "path": None}
    broken.fail("maker", "image_unreadable", "image is not a JPEG, PNG or WEBP")
    return Run(tmp_path, [[kept, rejected], [unread, broken]])


def load(run: Run, folder: str, config: str | None = None) -> datasets.Dataset:
    cache = str(run.path / "cache")
    return datasets.load_dataset(str(run.path / folder), config, split="train", cache_dir=cache)


def test_a_kept_pair_holds_its_images_and_kept_regions(run: Run) -> None:
    write_dataset(run)
    (pair,) = load(run, "data")
    assert pair["id"] == "kept"
    assert pair["image_a"].size == (8, 8)
    assert pair["scores"] == {"likeness": 0.75}
    (region,) = pair["regions"]
    assert region["id"] == "kept-1"
    assert region["box_xyxy"] == [1, 2, 3.5, 4]
    assert region["scores"] == {"change": 0.25}
    assert [step["operator"] for step in pair["provenance"]] == ["maker", "area_filter"]
    assert pair["provenance"][1]["models"] == [
        {"role": "clip", "name": "clip", "fingerprint": "c0ffee"}
    ]


def test_columns_that_the_recipe_does_not_make_are_absent(run: Run) -> None:
    write_dataset(run)
    (pair,) = load(run, "data")
    assert "edit" not in pair
    assert "caption_a" not in pair["regions"][0]


def test_a_sample_is_a_kept_region_without_images(run: Run) -> None:
    write_dataset(run)
    (sample,) = load(run, "data", "samples")
    assert (sample["id"], sample["pair_id"]) == ("kept-1", "kept")
    assert sample["conversations"][1] == {"from": "gpt", "value": "The car became a boat."}
    assert "image_a" not in sample


def test_dropped_rows_keep_their_reason_and_what_they_met(run: Run) -> None:
    write_dataset(run)
    rows = {row["id"]: row for row in load(run, "dropped")}
    assert rows["rejected"]["reason"] == "area_filter: no_area"
    assert rows["rejected"]["regions"][0]["reason"] == "area_filter: area_unchanged"
    assert rows["unread"]["provenance"] == []
    assert [step["operator"] for step in rows["broken"]["provenance"]] == ["maker"]


def test_an_image_that_cannot_be_decoded_does_not_stop_a_reader(run: Run) -> None:
    write_dataset(run)
    rows = {row["id"]: row for row in load(run, "dropped")}
    assert rows["broken"]["image_a"].size == (8, 8)
    assert rows["broken"]["image_b"] is None


def test_refused_regions_of_every_row_are_listed(run: Run) -> None:
    write_dataset(run)
    regions = load(run, "dropped", "regions")
    assert [(region["row_id"], region["id"]) for region in regions] == [
        ("kept", "kept-0"),
        ("rejected", "rejected-0"),
    ]


def test_pairs_load_when_no_region_was_kept(run: Run) -> None:
    run.shards = [[make_row("bare")]]
    write_dataset(run)
    (pair,) = load(run, "data")
    assert pair["regions"] == []
    assert not (run.path / "data" / "samples").exists()


def test_a_run_that_kept_nothing_says_so(run: Run) -> None:
    run.shards = [run.shards[1]]
    write_dataset(run)
    assert [path.name for path in (run.path / "data").iterdir()] == ["README.md"]
    assert "nothing to load" in (run.path / "data" / "README.md").read_text()
    assert len(load(run, "dropped")) == 2


def test_a_full_file_is_followed_by_another(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "FILE_BYTES", 1)
    monkeypatch.setattr(parquet_files, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet_files, "RECORDS", 1)
    run.shards = [[make_row("first")], [make_row("second")]]
    write_dataset(run)
    files = sorted(path.name for path in (run.path / "data" / "pairs").iterdir())
    assert files == ["00000.parquet", "00001.parquet"]
    assert load(run, "data")["id"] == ["first", "second"]


def test_writing_again_replaces_the_folders_whole(run: Run) -> None:
    write_dataset(run)
    run.shards = [[make_row("other")]]
    write_dataset(run)
    assert load(run, "data")["id"] == ["other"]
    assert not (run.path / "dropped" / "pairs").exists()
    assert {path.name for path in run.path.iterdir()} == {"data", "dropped", "cache"}


def test_another_run_is_not_read_from_the_cache_of_this_one(run: Run, tmp_path: Path) -> None:
    write_dataset(run)
    other = Run(tmp_path / "second", [[make_row("other")]])
    other.path.mkdir()
    write_dataset(other)
    folders = [str(path / "data") for path in (run.path, other.path)]
    cache = str(tmp_path / "cache")  # both folders are called `data`, and so are their configs
    loaded = [datasets.load_dataset(f, split="train", cache_dir=cache) for f in folders]
    assert [data["id"] for data in loaded] == [["kept"], ["other"]]


def test_an_interrupted_write_leaves_the_earlier_dataset(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(run)
    run.shards = [[make_row("other")], [make_row("never read")]]

    def stop(shard: int) -> list[Row]:
        if shard:
            raise KeyboardInterrupt
        return run.shards[0]

    monkeypatch.setattr(run, "rows", stop)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(run)
    assert load(run, "data")["id"] == ["kept"]
    monkeypatch.undo()
    write_dataset(run)
    assert load(run, "data")["id"] == ["other", "never read"]


def test_the_card_tells_what_was_made_by_what(run: Run) -> None:
    write_dataset(run)
    card = (run.path / "data" / "README.md").read_text()
    assert "| 4 | 1 | 1 | 2 | 1 |" in card
    assert "likeness at least 0.5; change at most 0.85" in card
    assert "/home/someone" not in card
    assert r"# two \| pairs" in card


def test_captions_cannot_write_markup_into_the_card(run: Run) -> None:
    run.shards[0][0]["caption_a"] = "<script>\n# [click](http://x) | `me`"
    write_dataset(run)
    card = (run.path / "data" / "README.md").read_text()
    assert r"&lt;script&gt; \# \[click\](http://x) \| \`me\`" in card
    assert "<script>" not in card


def test_plain_keeps_words_and_puts_them_on_one_line() -> None:
    assert plain_markdown("a red\n\ncar & boat") == "a red car &amp; boat"


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.9, 0.98), "0.9 to 0.98"),
        ((0.4, None), "at least 0.4"),
        ((None, 0.85), "at most 0.85"),
        ((None, None), "any"),
    ],
)
def test_limits_in_words(bounds: tuple[float | None, float | None], words: str) -> None:
    assert limits(bounds) == words
