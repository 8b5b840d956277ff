"""`imgdiff calibrate`: from some ratings to limits, and what a run with these limits keeps."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_project import LIGHT_OPERATORS

from imgdiff import cli, run
from imgdiff.recipe.check import check
from imgdiff.report.review import judged
from imgdiff.statistics.choice import choose
from imgdiff.statistics.dial import load_run
from imgdiff.statistics.scored import limits_of, opened, scored_samples

PAIRS = 150
RUN, FOLDER = "outputs/try", Path("outputs/try/calibration")
HIGH, LOW, NOISE = "scored_high_filter", "scored_low_filter", "scored_noise_filter"
FAMILIES = {  # scale and shift of all scores, and how many areas of a pair are kept at most
    "as tuned": (1.0, 0.0, 9),
    "narrow": (0.1, 0.3, 1),
    "wide and low": (1.9, -0.95, 1),
}


def captions():
    """Two areas a pair, one of three right; what is right is told by the first two numbers."""
    rng = np.random.default_rng(0)
    lines = []
    for k in range(PAIRS):
        words = []
        for _ in range(2):
            right = rng.random() < 0.35
            high, low = rng.normal((0.7, 0.3) if right else (0.5, 0.5), 0.12).clip(0.01, 0.99)
            words.append(f"{100 * high:.3f}-{100 * low:.3f}-{100 * rng.random():.3f}-{right:d}")
        lines.append({"id": f"pair-{k:03d}", "caption": " ".join(words)})
    return lines


@pytest.fixture
def scored(project, monkeypatch):
    """A project whose limits are open, not run yet."""
    monkeypatch.setattr("imgdiff.report.gallery.SHOWN_PAIRS", 4)  # the report takes its time
    monkeypatch.setattr("imgdiff.report.gallery.KEPT_PAIRS", 2)

    def write(scale=1.0, shift=0.0, most=9, **limits):
        family = {"scale": scale, "shift": shift}
        project.write_recipe(
            shard_rows=25,
            operators=[str(LIGHT_OPERATORS), str(LIGHT_OPERATORS.with_name("scored_operators.py"))],
            process=[
                {"light_edit_mapper": None},
                {"light_image_mapper": None},
                {"scored_area_mapper": None},
                {HIGH: family | limits},
                {NOISE: family},
                {LOW: family | {"max_regions": most}},
            ],
        )
        return project

    project.write_captions(captions())
    project.write = write
    write()
    return project


def calibrate(*arguments):
    return cli.main(["calibrate", RUN, *arguments])


def is_right(region):
    return region.caption_a.endswith("1")


def rate(project, ids=None, name="try"):
    """review.json by the truth about the chosen samples."""
    chosen = json.loads((FOLDER / "pairs.json").read_text())["samples"] if ids is None else ids
    regions = {f"{r.id}-{k}": region for r in project.rows() for k, region in enumerate(r.regions)}
    ratings = {
        id_: {"box": "high", "content": "high" if is_right(regions[id_]) else "low"}
        for id_ in chosen
        if id_ in regions
    }
    Path("review.json").write_text(json.dumps({"run": name, "ratings": ratings}))
    return ratings


def kept(project):
    """Whether each kept area is right."""
    return [is_right(region) for row in project.rows() if row.ok for region in row.kept_regions]


def table(text, row):
    """The numbers of a row."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(row))
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line.partition(row)[2])]


@pytest.mark.parametrize(("scale", "shift", "most"), FAMILIES.values(), ids=FAMILIES)
def test_limits_by_60_ratings_reach_the_precision(scored, capsys, scale, shift, most):
    scored.write(scale, shift, most)
    scored.finish()
    before = kept(scored)
    assert calibrate() == run.COMPLETE
    rate(scored)
    capsys.readouterr()
    assert calibrate("--ratings", "review.json", "--precision", "0.8") == run.COMPLETE
    told = capsys.readouterr().out
    Path("calls.txt").unlink()
    assert run.main(["mine.yaml", f"@{FOLDER}/limits.txt"]) == run.COMPLETE
    assert not Path("calls.txt").exists()  # stored scores were decided again
    after = kept(scored)
    _, low, high = table(told, "held out")
    assert low <= np.mean(after) <= high
    assert np.mean(before) < 0.5 < 0.75 < np.mean(after)
    assert sum(after) > 0.5 * sum(before)
    assert table(told, "these limits")[0] == len(after)
    assert re.search(rf"{NOISE}\.min_score +-1 +-1 \*\n", told)
    assert "* stays: its scores do not tell right from wrong\n" in told


def test_pairs_are_chosen_across_the_scores_with_their_weights(scored, capsys):
    scored.finish()
    capsys.readouterr()
    assert calibrate() == run.COMPLETE
    assert capsys.readouterr().out == (
        "60 of 300 samples are chosen, each of another pair.\n"
        f"Open {FOLDER}/rate.html, rate them, save review.json, and run: "
        f"imgdiff calibrate {RUN} --ratings review.json --precision 0.9\n"
    )
    first = (FOLDER / "pairs.json").read_bytes()
    chosen = json.loads(first)["samples"]
    assert len({id_.rpartition("-")[0] for id_ in chosen}) == len(chosen) == 60
    assert sum(chosen.values()) == pytest.approx(300, rel=0.25)
    assert len({round(weight, 6) for weight in chosen.values()}) > 20
    page = (FOLDER / "rate.html").read_text()
    assert sorted(re.findall(r'data-sample="([^"]+)"', page)) == sorted(chosen)
    assert re.findall(r'data-question="(\w+)"', page) == ["box", "content"]  # none has a sentence
    assert "scored" not in page.lower().partition("<main>")[2].replace("scored_", "")
    assert calibrate() == run.COMPLETE
    assert (FOLDER / "pairs.json").read_bytes() == first
    assert calibrate("--pairs", "400") == run.COMPLETE
    assert len(json.loads((FOLDER / "pairs.json").read_text())["samples"]) == PAIRS


def test_weighted_shares_of_choices_are_that_of_all_samples(scored):
    scored.finish()
    stored = load_run(Path(RUN))
    samples = scored_samples(stored.operators, stored.rows)
    right = {each.id: is_right(each.region) for each in samples.samples}
    high = {each.id: each.region.scores["scored_high"] > 0.7 for each in samples.samples}
    for truth in (right, high):
        shares, plain = [], []
        for seed in range(200):
            weights = choose(samples, 60, seed)
            hits = [truth[id_] for id_ in weights]
            shares.append(np.average(hits, weights=list(weights.values())))
            plain.append(np.mean(hits))
        share = np.mean(list(truth.values()))
        assert np.mean(shares) == pytest.approx(share, abs=0.02)
        assert np.mean(plain) > share + 0.02  # what is rare is chosen more often


def test_limits_that_are_not_open_are_opened_first(scored, capsys):
    scored.write(min_score=0.9)
    scored.finish()
    few = len(kept(scored))
    capsys.readouterr()
    assert calibrate() == run.REFUSED
    opening = f"To let everything be rated, run its recipe again with @{FOLDER}/open.txt first."
    said = f"{RUN} keeps {few} samples, expected at least 20. {opening}\n"
    assert capsys.readouterr().err == said
    text = (FOLDER / "open.txt").read_text()
    assert text == (
        f"# The limits of {RUN}, as loose as they may be\n"
        f"{HIGH}.min_score=-1.0\n{NOISE}.min_score=-1.0\n{LOW}.max_score=1.0\n"
    )  # but for that of a score which is fixed
    assert run.main(["mine.yaml", f"@{FOLDER}/open.txt"]) == run.COMPLETE
    assert len(kept(scored)) == 2 * PAIRS
    assert run.main(["mine.yaml", f"{HIGH}.min_score=0.6"]) == run.COMPLETE
    capsys.readouterr()
    assert calibrate() == run.COMPLETE
    assert f"What its limits refused is not among them. {opening}\n" in capsys.readouterr().out


def test_limits_are_only_made_stricter(scored, capsys):
    scored.write(min_score=0.55)
    scored.finish()
    assert calibrate() == run.COMPLETE
    rate(scored)
    assert calibrate("--ratings", "review.json", "--precision", "0.3") == run.COMPLETE
    assert "The limits of the run reach 0.3 already: 0." in capsys.readouterr().out
    assert f"{HIGH}.min_score=0.55\n" in (FOLDER / "limits.txt").read_text()


def test_a_precision_that_is_not_reached_is_said(scored, capsys):
    scored.finish()
    assert calibrate() == run.COMPLETE
    rate(scored)
    assert calibrate("--ratings", "review.json", "--precision", "0.99") == run.COMPLETE
    told = capsys.readouterr().out
    assert "These ratings do not show that 0.99 is reached: the best limits keep " in told
    assert "# These ratings do not show that 0.99" in (FOLDER / "limits.txt").read_text()
    page = (FOLDER / "limits.html").read_text()
    assert page.count("<figure") == 4  # together, and each of three limits alone
    assert "do not show that 0.99 is reached" in page
    assert "nan" not in page


def test_only_whole_answers_count(scored, capsys):
    scored.finish()
    assert calibrate() == run.COMPLETE
    ratings = rate(scored)
    for name in list(ratings)[:10]:
        del ratings[name]["content"]  # the box alone is high
    Path("review.json").write_text(json.dumps({"run": "try", "ratings": ratings}))
    assert calibrate("--ratings", "review.json") == run.COMPLETE
    assert "50 of 60 samples are rated: " in capsys.readouterr().out


def test_what_counts_as_right():
    both = ["box", "content"]
    said = {
        "a": {"box": "high", "content": "high"},
        "b": {"box": "high", "content": "medium"},
        "c": {"box": "low"},
        "d": {"content": "high"},
        "e": {"box": "high", "content": "high", "difference": "low"},
    }
    assert judged(said, both, "high") == {"a": True, "b": False, "c": False, "e": True}
    assert judged(said, both, "medium") == {"a": True, "b": True, "c": False, "e": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "1.5"], "--precision: 1.5 is not between 0 and 1"),
        (["--precision", "0"], "--precision: 0 is not between 0 and 1"),
        (["--precision", "nan"], "--precision: nan is not between 0 and 1"),
        (["--pairs", "5"], "--pairs: 5 is not 20 to 1000"),
        (["--pairs", "60", "--ratings", "review.json"], "--pairs: pairs are chosen before"),
        (["--ratings", "none.json"], "none.json: No such file or directory"),
        (["--ratings", "other.json"], "other.json: ratings of the run other, expected of try"),
        (["--ratings", "empty.json"], "empty.json: none of the 60 samples of"),
        (["--ratings", "strange.json"], "strange.json: none of the 60 samples of"),
        (["--ratings", "right.json", "--precision", "0.99"], "60 samples are rated right and 0"),
        (["--ratings", "wrong.json"], "0 samples are rated right and 60 wrong, expected 5 of each"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(scored, capsys, arguments, message):
    scored.finish()
    assert calibrate() == run.COMPLETE
    chosen = json.loads((FOLDER / "pairs.json").read_text())["samples"]
    for name, of, ids, grade in [
        ("other", "other", chosen, "high"),
        ("empty", "try", [], "high"),
        ("strange", "try", ["pair-x-0"], "high"),
        ("right", "try", chosen, "high"),
        ("wrong", "try", chosen, "low"),
    ]:
        ratings = {id_: {"box": grade, "content": grade} for id_ in ids}
        Path(f"{name}.json").write_text(json.dumps({"run": of, "ratings": ratings}))
    capsys.readouterr()
    assert calibrate(*arguments) == run.REFUSED
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1
    assert not (FOLDER / "limits.txt").exists()


def test_a_run_that_is_not_ready_is_refused(scored, capsys):
    assert calibrate() == run.REFUSED
    scored.finish()
    assert calibrate("--ratings", "review.json") == run.REFUSED
    assert calibrate() == run.COMPLETE
    rate(scored)
    assert run.main(["mine.yaml", f"{HIGH}.min_score=0.6"]) == run.COMPLETE
    assert calibrate("--ratings", "review.json") == run.REFUSED
    next(Path(RUN).glob("stages/01*/00001.json")).unlink()
    assert calibrate() == run.REFUSED
    scored.write_recipe(process=["light_edit_mapper", "scored_area_mapper"])
    assert run.main(["mine.yaml", "--restart"]) == run.COMPLETE
    assert calibrate() == run.REFUSED
    assert [line for line in capsys.readouterr().err.splitlines() if RUN in line] == [
        f"{RUN} is no run folder: there is no run.json that can be read",
        f"{RUN}: no pairs are chosen yet. Run: imgdiff calibrate {RUN}",
        f"{RUN}: it has been run again since its pairs were chosen. "
        f"Choose and rate anew: imgdiff calibrate {RUN}",
        f"{RUN}: 1 of 12 shards are missing. Run its recipe again to finish it.",
        f"{RUN}: no filter of this run has a limit that ratings of samples could tell",
    ]


def test_limits_of_every_kind_are_opened_as_their_settings_take_them(scored):
    process = ["scored_area_mapper", "scored_odd_filter"]
    scored.settings["operators"] += [str(LIGHT_OPERATORS.with_name("scored_operators.py"))]
    scored.write_recipe(process=process)
    operators = check("mine.yaml").operators
    limits = limits_of(operators)
    loose = opened(operators, limits)
    assert {name.partition(".")[2]: value for name, value in loose.items()} == {
        "whole_least": -1_000_000_000,
        "whole_most": 8,
        "least": -1e9,
        "above": 1.0,  # it may not be 0
    }
    check("mine.yaml", [f"{name}={value}" for name, value in loose.items()])
    whole, most, least, _ = limits
    assert (whole.value(whole.looser(4.9)), most.value(most.looser(-2.1))) == (4, 3)
    assert (least.looser(0.98769), least.looser(0.1)) == (0.9876, 0.5)


def test_limits_of_shipped_recipes_are_those_that_ratings_can_tell():
    names = [limit.name for limit in limits_of(check("recipes/sdxl/paper.yaml").operators)]
    assert names == [
        "image_pair_similarity_filter.min_score",
        "image_pair_similarity_filter.max_score",
        "region_text_matching_filter.min_itc",
        "region_difference_filter.max_similarity",
        "region_caption_matching_filter.min_itc",
        "region_caption_similarity_filter.max_similarity",
    ]  # not what is safe, and not the least area


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on the PATH")
def test_pairs_are_rated_in_a_browser(scored, capsys):
    from playwright.sync_api import sync_playwright

    scored.finish()
    assert calibrate() == run.COMPLETE
    truth = rate(scored)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 400, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((scored.folder / FOLDER / "rate.html").as_uri())
        page.get_by_role("button", name="Rate the samples").click()
        for _ in truth:
            page.locator(".card.current").wait_for()
            sample = page.locator(".card.current [data-sample]").get_attribute("data-sample")
            page.keyboard.press("1")
            page.keyboard.press("1" if truth[sample]["content"] == "high" else "3")
        assert page.locator(".rated").inner_text().strip() == "60 of 60 rated"
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save").click()
        saved.value.save_as("saved.json")
        calibrate("--ratings", "saved.json")
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 900})
            for name in ("rate", "limits"):
                page.goto((scored.folder / FOLDER / f"{name}.html").as_uri())
                assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        browser.close()
    assert problems == []
    assert json.loads(Path("saved.json").read_text())["ratings"] == truth
    assert "60 of 60 samples are rated: " in capsys.readouterr().out
