"""A finished run in memory, on toy pictures: what the report is made from."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from run_infos import run_info

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region, Row
from imgdiff.store.run_info import RunInfo
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.scenes import draw, generator, replaced_object, sample_scene

SIMILARITY, DIFFERENCE = "image_pair_similarity_filter", "region_difference_filter"


@dataclass
class Run:
    """A finished run in memory."""

    path: Path
    shards: list[list[Row]]
    info: RunInfo
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def shard_count(self) -> int:
        return len(self.shards)

    def rows(self, shard: int, leave_out: Collection[str] = ()) -> list[Row]:
        return self.shards[shard]


def toy_row(seed: int) -> Row:
    """A rendered pair with one replaced object, its box kept and a second box refused."""
    rng = generator("test", seed)
    scene = sample_scene(rng)
    other = replaced_object(rng, scene, 0)
    before, after = draw(scene), draw(other)
    names = [phrase(scene.objects[0]), phrase(other.objects[0])]
    rest = (
        "".join(f" beside {phrase(thing)}" for thing in scene.objects[1:]) + f" on {scene.ground}"
    )
    values = {
        "caption_a": names[0] + rest,
        "caption_b": names[1] + rest,
        "edit": {"kind": "replace", "source": names[0], "target": names[1]},
        "editing": {"mode": "replace", "candidate": 1, "candidate_scores": [0.125, 0.25]},
        "image_a": encode_png(before.image),
        "image_b": encode_png(after.image),
    }
    box = tuple(float(edge) for edge in before.boxes_xyxy[0])
    sentence = f"In the first picture there is {names[0]}, in the second {names[1]}."
    turns = [
        {"from": "human", "value": "<image>\n<image>\nWhat differs?"},
        {"from": "gpt", "value": sentence},
    ]
    kept = Region(box, "a", None, {"region_difference": 0.3 + rng.random() / 2})
    kept.caption_a, kept.caption_b, kept.difference, kept.conversations = *names, sentence, turns
    refused = Region((5, 80, 40, 120), "b", None, {"region_difference": 0.86 + rng.random() / 10})
    refused.reject(DIFFERENCE, "area_unchanged")
    row = Row(f"cap-{seed:05d}", seed, values, [kept, refused])
    row.scores["image_pair_similarity"] = 0.9 + rng.random() * 0.079
    return row


def too_similar(seed: int) -> Row:
    row = toy_row(seed)
    row.regions, row.scores["image_pair_similarity"] = [], 0.99
    row.reject(SIMILARITY, "pair_too_similar", "image_pair_similarity is 0.990, wanted 0.9 to 0.98")
    return row


def unreadable(seed: int) -> Row:
    image = {"bytes": b"?", "path": None}
    row = Row(f"cap-{seed:05d}", seed, {"caption_a": "a red car", "image_a": image})
    row.fail("reader", "image_unreadable", "image is not a JPEG, PNG or WEBP")
    return row


def make_run(path: Path, rows: list[Row]) -> Run:
    """`rows` as a run, two to a shard, with the files a run keeps about itself."""
    endings = Counter(row.status for row in rows)
    similar = sum(row.reason.startswith(SIMILARITY) for row in rows)
    samples = sum(len(row.kept_regions) for row in rows if row.ok)
    met = len(rows) - endings["failed"]

    def step(name: str, **counts: Any) -> dict[str, Any]:
        rows = {"rows_in": met, "rows_ok": met - similar, "rejected": {}, "failed": {}}
        regions = {"regions_in": 0, "regions_kept": 0, "regions_refused": {}}
        return {"name": name, "seconds": 3.4} | rows | regions | counts

    def described(name: str, kind: str, score: str, bounds: list[float | None]) -> dict[str, Any]:
        scores = {"scores": [], "region_scores": [], kind: [score]}
        facts = {"version": "1", "params_sha256": "5a" * 32, "roles": ["clip"]}
        params = {"batch_size": 16, "max_score": bounds[1]}
        return facts | scores | {"name": name, "params": params, "thresholds": {score: bounds}}

    stored = {
        "project_name": "replace",
        "recipe": {"project_name": "replace", "process": [SIMILARITY]},
        "versions": {"imgdiff": "0.1.0"},
        "models": {
            "clip": {"name": "embedded/clip", "revision": None, "fingerprint": "c0ffee" * 8}
        },
        "input": {"path": "recipes/data/captions.jsonl", "rows": len(rows), "sha256": "5a"},
        "operators": [
            described(SIMILARITY, "scores", "image_pair_similarity", [0.9, 0.98]),
            described(DIFFERENCE, "region_scores", "region_difference", [None, 0.85]),
        ],
        "phases": [],
        "started": "2026-11-20T13:00:00+00:00",
    }
    shards = [rows[k : k + 2] for k in range(0, len(rows), 2)]
    run = Run(path, shards, run_info(stored))
    run.report = {
        "rows": {"total": len(rows), **{s: endings[s] for s in ("ok", "rejected", "failed")}},
        "operators": [
            step(SIMILARITY, rejected={"pair_too_similar": similar}),
            step(
                DIFFERENCE,
                rows_in=met - similar,
                regions_in=2 * samples,
                regions_kept=samples,
                regions_refused={"area_unchanged": samples},
            ),
        ],
        "phases": [{"name": "areas", "seconds": 3.9}],
        "samples": samples,
        "seconds": 83.2,
    }
    return run
