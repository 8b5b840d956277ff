"""The report page of a finished run: what it shows, what it counts, what it never does."""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from imgdiff.images import encode_png
from imgdiff.report import gallery
from imgdiff.report.gallery import Group, changed_words
from imgdiff.report.histograms import histogram
from imgdiff.report.page import duration, write_report
from imgdiff.rows import Region, Row
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.scenes import draw, generator, replaced_object, sample_scene

SIMILARITY, DIFFERENCE = "image_pair_similarity_filter", "region_difference_filter"


@dataclass
class Run:
    """A finished run in memory."""

    path: Path
    shards: list[list[Row]]
    info: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def shard_count(self) -> int:
        return len(self.shards)

    def rows(self, shard: int) -> list[Row]:
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
        return {"name": name, "thresholds": {score: bounds}} | scores

    run = Run(path, [rows[k : k + 2] for k in range(0, len(rows), 2)])
    run.info = {
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
        "started": "2026-11-20T13:00:00+00:00",
    }
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


def page_of(run: Run) -> str:
    write_report(run)
    return (run.path / "report.html").read_text()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path, [toy_row(1), too_similar(2), toy_row(3), unreadable(4), toy_row(5)])


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and every address it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_asks_for_nothing_outside_itself(run: Run) -> None:
    page = Tags(page_of(run))
    assert page.addresses
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in page.addresses)
    assert "link" not in page.tags


def test_links_lead_to_places_of_the_page(run: Run) -> None:
    page = page_of(run)
    places = set(re.findall(r' id="([^"]+)"', page))
    assert {a[1:] for a in Tags(page).addresses if a.startswith("#")} <= places


def test_kept_and_refused_are_shown_with_their_words(run: Run) -> None:
    page = page_of(run)
    assert "In the first picture there is" in page
    assert "image_pair_similarity is 0.990, wanted 0.9 to 0.98" in page
    assert re.search(r"region difference is 0\.\d+, wanted at most 0\.85", page)
    assert "image is not a JPEG, PNG or WEBP" in page
    assert "no picture" in page


def test_every_score_has_a_histogram_with_its_thresholds(run: Run) -> None:
    page = page_of(run)
    assert page.count('<figure class="chart">') == 2
    assert page.count('<line class="limit"') == 3


def test_captions_cannot_write_markup_into_the_page(run: Run) -> None:
    row = run.shards[0][0]
    row["caption_a"] = "<script>alert(1)</script>"
    row.regions[0].difference = "<img src=http://x>"
    page = page_of(run)
    assert Tags(page).tags.count("script") == 1
    assert "http://x" not in "".join(Tags(page).addresses)
    assert "&lt;img src=http://x&gt;" in page


def test_at_most_so_many_pairs_are_shown_and_the_rest_counted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SHOWN_PAIRS", 3)
    monkeypatch.setattr(gallery, "KEPT_PAIRS", 1)
    page = page_of(run)
    assert page.count("<article") == 3
    assert "and 2 more" in page


def test_a_run_that_kept_nothing_has_a_page(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, [unreadable(1)]))
    assert "No pair was kept" in page
    assert "No value: no row came this far." in page


def test_kept_pairs_come_first_and_reasons_share_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "SHOWN_PAIRS", 10)
    monkeypatch.setattr(gallery, "KEPT_PAIRS", 6)
    kept, rare, common = Group("kept"), Group("pairs", "x: rare"), Group("regions", "y: common")
    assert gallery.share(Counter({kept: 4, rare: 1, common: 90})) == {kept: 4, rare: 1, common: 5}
    assert gallery.share(Counter({kept: 90, rare: 1, common: 90})) == {kept: 6, rare: 1, common: 3}
    assert gallery.share(Counter({kept: 90, rare: 1})) == {kept: 9, rare: 1}


def test_changed_words_of_two_captions() -> None:
    before, after = changed_words("a red car on sand", "a blue boat on sand")
    assert before == [("a", False), ("red car", True), ("on sand", False)]
    assert after == [("a", False), ("blue boat", True), ("on sand", False)]
    assert changed_words("a red car", "") == ([("a red car", False)], [("", False)])


def test_a_histogram_counts_what_passes() -> None:
    plot = histogram("score", "filter", [0.2, 0.4, 0.6, float("nan")], [0.4, None])
    assert (plot.count, plot.passing) == (3, 2)
    ((place, value),) = plot.lines
    assert value == 0.4
    assert 0 < place < 1


def test_a_far_threshold_does_not_squeeze_the_values() -> None:
    plot = histogram("score", "filter", [0.90, 0.95], [-1.0, 0.98])
    assert [value for _, value in plot.lines] == [0.98]
    assert plot.start > 0.8


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (42.4, "42 s"), (185, "3 min 5 s"), (7805, "2 h 10 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
