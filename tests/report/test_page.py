"""The report page of a finished run: what it shows, what it counts, what it never does."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from toy_run import Run, make_run, too_similar, toy_row, unreadable

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region, Row
from imgdiff.differences.own_boxes import own_boxes
from imgdiff.report import gallery
from imgdiff.report.gallery import PairGroup, cut_at_changes, edited_words, page_name
from imgdiff.report.page import write_report
from imgdiff.report.pairs import steps, zoom
from imgdiff.report.rendering import duration
from imgdiff.report.verdicts import outside
from imgdiff.statistics.histograms import histogram


def page_of(run: Run) -> str:
    write_report(run)
    return (run.path / "report.html").read_text()


def pair_page(run: Run, row: Row) -> str:
    write_report(run)
    return (run.path / "report" / f"{page_name(row.id)}.html").read_text()


def files(run: Run) -> list[Path]:
    return [run.path / "report.html", *sorted((run.path / "report").iterdir())]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path, [toy_row(1), too_similar(2), toy_row(3), unreadable(4), toy_row(5)])


class Tags(HTMLParser):
    """Every tag of a page, the names of all attributes, and every address it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_pages_ask_for_nothing_outside_themselves(run: Run) -> None:
    write_report(run)
    for file in files(run):
        tags = Tags(file.read_text())
        assert tags.addresses
        assert not any("//" in address.partition("base64,")[0] for address in tags.addresses)
        assert "link" not in tags.tags


def test_links_lead_to_places_that_exist(run: Run) -> None:
    write_report(run)
    places = {f: set(re.findall(r' id="([^"]+)"', f.read_text())) for f in files(run)}
    assert len(places) == 6
    for file in places:
        for address in Tags(file.read_text()).addresses:
            name, _, place = address.partition("#")
            if not name.startswith("data:"):
                target = (file.parent / name).resolve() if name else file
                assert target in places
                assert (
                    not place or place.startswith(("review=", "view=")) or place in places[target]
                )


def test_pages_run_their_own_script_and_no_other(run: Run) -> None:
    write_report(run)
    for file in files(run):
        page = file.read_text()
        for tag in ("script", "style"):
            (text,) = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in unescape(page)
        assert "unsafe" not in page.partition("</head>")[0].partition("<style>")[0]
        assert not {a for a in Tags(page).attributes if a == "style" or a.startswith("on")}


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


def test_captions_cannot_write_markup_into_a_page(run: Run) -> None:
    row = run.shards[0][0]
    row.id = row["edit"]["source"] = '"><script>'
    row["caption_a"] = "<script>alert(1)</script>"
    row.regions[0].difference = "<img src=http://x>"
    for page in (page_of(run), pair_page(run, row)):
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
    assert len(list((run.path / "report").iterdir())) == 2  # one of the pairs is shown twice


def test_a_kept_pair_has_a_page_that_says_how_it_came_about(run: Run) -> None:
    row = run.shards[0][0]
    page = pair_page(run, row)
    words = unescape(re.sub(r"<[^>]+>", "", page))
    assert f"{row['edit']['source']} → {row['edit']['target']}" in words
    assert re.search(r"Seed\s*1\s*Caption edit\s*replace\s*Image edit\s*replace", words)
    assert re.search(r"Candidates\s*0\.125 0\.250", words)
    assert '<span class="chosen">0.250</span>' in page
    assert "image pair similarity filter version 1 · passed" in words
    assert "clip embedded/clip c0ffeec0ffee" in words
    assert "What differs?" in words


def test_a_page_says_why_each_box_was_refused(run: Run) -> None:
    page = pair_page(run, run.shards[0][0])
    assert re.search(r'<p class="reason">area unchanged', page)
    assert re.search(r"region difference is 0\.\d+, wanted at most 0\.85", page)
    assert "Refused region 1" in page


def test_a_refused_pair_has_a_page_that_says_where_it_ended(run: Run) -> None:
    page = pair_page(run, run.shards[0][1])
    assert "image_pair_similarity is 0.990, wanted 0.9 to 0.98" in page
    assert '<li class="rejected">' in page
    assert '<li class="not-reached">' in page


def test_no_operator_met_what_the_reader_refused(run: Run) -> None:
    assert [step.ending for step in steps(run.shards[1][1], run.info)] == ["not reached"] * 2


def test_a_pair_without_edit_and_second_caption_has_a_page(run: Run) -> None:
    row = run.shards[0][0]
    del row.values["edit"], row.values["editing"], row.values["caption_b"]
    page = pair_page(run, row)
    assert f"<h1>{row.id}</h1>" in page
    assert "no caption" in page


def test_pages_of_another_report_go_and_an_interrupted_one_leaves_them(run: Run) -> None:
    write_report(run)
    before = {file: file.read_bytes() for file in files(run)}
    whole, (first, *others) = run.info, run.info.operators
    run.info = replace(whole, operators=(replace(first, params_sha256=None), *others))
    with pytest.raises(TypeError, match="subscriptable"):
        write_report(run)
    assert {file: file.read_bytes() for file in files(run)} == before
    run.info = whole
    del run.shards[2]
    write_report(run)
    assert set(files(run)) < set(before)
    assert {path.name for path in run.path.iterdir()} == {"report", "report.html"}


IDS = ["../../x", "CON", "a/b", "A-b", "a-b", "é" * 300, "x" * 300, "", "\0", "-", "%2e%2e"]


def test_any_id_gives_a_safe_file_name_of_its_own() -> None:
    names = [page_name(row_id) for row_id in IDS]
    assert len(set(names)) == len(IDS)
    assert all(re.fullmatch(r"([a-z0-9][a-z0-9-]*-)?[0-9a-f]{10}", name) for name in names)
    assert max(map(len, names)) <= 51


def test_each_image_has_its_own_box_where_both_were_found(tmp_path: Path) -> None:
    row = toy_row(1)
    kept = row.regions[0]
    kept.box_xyxy = (20.0, 20.0, 60.0, 60.0)
    for box, source in [((24.0, 20.0, 52.0, 66.0), "b"), ((20.0, 22.0, 60.0, 60.0), "a")]:
        row.regions.append(Region(box, source, status="rejected", reason="area_filter: overlaps"))
    own = (20.0, 20.0, 60.0, 60.0), (24.0, 20.0, 52.0, 66.0)
    assert own_boxes(kept, row.regions) == own
    kept.source = "b"  # the other one was found in B too, and the third hardly differs
    assert own_boxes(kept, row.regions) == (kept.box_xyxy, kept.box_xyxy)
    refused = row.regions[2]
    assert own_boxes(refused, row.regions) == (refused.box_xyxy, refused.box_xyxy)
    kept.source = "a"
    run = make_run(tmp_path, [row])
    drawn = '<rect class="line" x="{}" y="{}" width="{}" height="{}"/>'
    for page in (page_of(run), pair_page(run, row)):
        in_a, in_b = (re.search(rf'image {side}".*?</figure>', page, re.DOTALL) for side in "AB")
        assert in_a is not None
        assert in_b is not None
        assert drawn.format(20.0, 20.0, 40.0, 40.0) in in_a[0]
        assert drawn.format(24.0, 20.0, 28.0, 46.0) in in_b[0]
    assert "Found in A at 20, 20, 60, 60; in B there is a box at 24, 20, 52, 66" in page


def test_images_of_two_sizes_are_not_laid_over_each_other(tmp_path: Path) -> None:
    row, other = toy_row(1), toy_row(2)
    other["image_b"] = encode_png(np.zeros((64, 128, 3), np.uint8))
    run = make_run(tmp_path, [row, other])
    assert 'class="compare"' in pair_page(run, row)
    assert 'class="compare"' not in pair_page(run, other)


def test_a_close_up_stays_inside_its_picture() -> None:
    assert zoom([(10, 10, 30, 20)], 128, 128) == (7, 7, 26, 16)
    assert zoom([(0, 0, 100, 50)], 100, 60) == (0, 0, 100, 60)
    assert zoom([(10, 10, 20, 20), (15, 10, 30, 18)], 128, 128) == (7, 7, 26, 16)


def test_edited_words_come_from_the_edit_or_from_the_captions() -> None:
    row = Row("x", 1, {"caption_a": "a red Car, on sand", "caption_b": "a red boat, on sand"})
    assert edited_words(row) == ("car", "boat")
    row["edit"] = {"kind": "remove", "source": "car", "target": None}
    assert edited_words(row) == ("car", "")
    assert edited_words(Row("x", 1, {"caption_a": "a car"})) == ("", "")


def test_a_run_that_kept_nothing_has_a_page(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, [unreadable(1)]))
    assert "No pair was kept" in page
    assert "No value: no row came this far." in page


def test_kept_pairs_come_first_and_reasons_share_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "SHOWN_PAIRS", 10)
    monkeypatch.setattr(gallery, "KEPT_PAIRS", 6)
    kept, rare, common = (
        PairGroup("kept"),
        PairGroup("pairs", "x: rare"),
        PairGroup("regions", "y: common"),
    )
    assert gallery.share_places(Counter({kept: 4, rare: 1, common: 90})) == {
        kept: 4,
        rare: 1,
        common: 5,
    }
    assert gallery.share_places(Counter({kept: 90, rare: 1, common: 90})) == {
        kept: 6,
        rare: 1,
        common: 3,
    }
    assert gallery.share_places(Counter({kept: 90, rare: 1})) == {kept: 9, rare: 1}


def test_changed_words_of_two_captions() -> None:
    before, after = cut_at_changes("a red car on sand", "a blue boat on sand")
    assert before == [("a", False), ("red car", True), ("on sand", False)]
    assert after == [("a", False), ("blue boat", True), ("on sand", False)]
    assert cut_at_changes("a red car", "") == ([("a red car", False)], [("", False)])


def test_a_histogram_counts_what_passes() -> None:
    values = [0.2, 0.4, 0.6, float("nan")]
    plot = histogram("score", "filter", values, [0.4, None])
    assert (plot.count, plot.passing) == (3, 2)  # a score at the limit passes, as in filters
    assert histogram("score", "filter", values, [None, 0.4]).passing == 2
    ((place, value),) = plot.lines
    assert value == 0.4
    assert 0 < place < 1


@pytest.mark.parametrize(
    ("value", "marked"), [(0.39, True), (0.4, False), (0.6, False), (0.61, True)]
)
def test_a_score_is_marked_where_it_lies_beyond_a_limit(value: float, marked: bool) -> None:
    assert outside(value, [0.4, 0.6]) is marked
    assert outside(value, [None, None]) is False


def test_a_far_threshold_does_not_squeeze_the_values() -> None:
    plot = histogram("score", "filter", [0.90, 0.95], [-1.0, 0.98])
    assert [value for _, value in plot.lines] == [0.98]
    assert plot.start > 0.8


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.4 s"),
        (10, "10 s"),
        (42.4, "42 s"),
        (60, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3600, "1 h 0 min"),
        (7805, "2 h 10 min"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_page_of_a_pair_says_where_b_stands_left(run: Run) -> None:
    row = run.shards[0][0]
    assert "B on the left" not in pair_page(run, row)
    row.regions[0].left = "b"
    assert pair_page(run, row).count("B on the left") == 1


def test_phrases_of_a_caption_are_marked_by_set_with_their_scores(tmp_path: Path) -> None:
    row = toy_row(1)
    caption = "A mug <b>, a car."
    found = [("A mug", 0, 0.81, "positive"), ("<b>", 6, 0.5, ""), ("a car", 11, 0.114, "negative")]
    row.values = {"image_a": row["image_a"], "caption_a": caption, "prompt": "What & where?"}
    row.values["sentence_set"] = ""
    row.values["phrases"] = [
        {"text": text, "start": start, "end": start + len(text), "score": score, "set": group}
        for text, start, score, group in found
    ]
    row.regions = []
    run = make_run(tmp_path, [row])
    page, alone = page_of(run), pair_page(run, row)
    for text in (page, alone):
        marks = re.findall(r'<mark class="phrase (\w*)" title="[^"]+">(.*?)</mark>', text)
        assert marks == [
            ("positive", "A mug <small>0.81</small>"),
            ("", "&lt;b&gt; <small>0.50</small>"),
            ("negative", "a car <small>0.11</small>"),
        ]
        assert "</mark>, <mark" in text
        assert 'class="side">B' not in text
    assert "Captions kept" in page
    assert "Review the samples" not in page
    assert "What &amp; where?" in alone
    assert "in no set" in alone


def test_negatives_are_read_by_family_with_their_words_marked(tmp_path: Path) -> None:
    row = toy_row(1)
    row.values = {"image_a": row["image_a"], "caption_a": "a mug", "objects": ["mug"]}
    row["negatives"] = [
        {"caption": "a mug and <b>", "family": "random", "objects": ["b"]},
        {"caption": "a mug and a car", "family": "random", "objects": ["car"]},
        {"caption": "a teapot", "family": "alter", "objects": ["mug"]},
    ]
    row.regions = []
    run = make_run(tmp_path, [row])
    page, alone = page_of(run), pair_page(run, row)
    assert "Images kept" in page
    assert "3 negatives, such as: a teapot" in page
    families = re.findall(r"<article><h3>(\w+) <small>(\d)</small></h3>", alone)
    assert families == [("random", "2"), ("alter", "1")]
    assert "<dt>car</dt><dd>a mug <mark>and a car</mark></dd>" in alone
    assert "a mug <mark>and &lt;b&gt;</mark>" in alone
    assert "<dt>mug</dt><dd>a <mark>teapot</mark></dd>" in alone
    for text in (page, alone):
        assert 'class="side">B' not in text
        assert "Review the samples" not in text


def test_pictures_are_read_of_shards_that_are_shown_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SHOWN_PAIRS", 3)
    monkeypatch.setattr(gallery, "KEPT_PAIRS", 1)
    rows = [toy_row(k) for k in range(10)]  # two a shard
    rows[6].reject("area_filter", "no_area", "none passed")
    run = make_run(tmp_path, rows)
    reads = []

    def read(shard: int, leave_out: Collection[str] = ()) -> list[Row]:
        reads.append((shard, sorted(leave_out)))
        return run.shards[shard]

    monkeypatch.setattr(run, "rows", read)
    write_report(run)
    without = [(shard, ["image_a", "image_b"]) for shard in range(5)]
    shown = [(shard, []) for shard in (0, 3)]  # the first kept pairs, and the refused one
    assert reads == [*without, *shown, *shown]
