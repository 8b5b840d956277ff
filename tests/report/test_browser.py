"""The report in headless Chromium: its looks at two widths, filters, keys, a review.

Screenshots are left in pytest's temporary folder (`--basetemp=FOLDER` chooses one).
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from toy_run import Run, make_run, too_similar, toy_row, unreadable

from imgdiff.data.rows import Region
from imgdiff.report.gallery import page_name
from imgdiff.report.page import write_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on the PATH"),
]
WIDTHS = (1280, 400)
LONG = "unbroken" * 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four kept pairs, three refused; the last kept one has nothing that could be wrapped."""
    rows = [toy_row(1), too_similar(2), toy_row(3), unreadable(4), toy_row(5), too_similar(6)]
    crowded = toy_row(7)
    crowded.id = f"../{LONG}"
    crowded["caption_a"] = crowded["caption_b"] = LONG
    crowded["edit"] = {"kind": LONG, "source": LONG, "target": LONG}
    first = crowded.regions[0]
    first.caption_a = first.caption_b = first.difference = LONG
    first.conversations = [{"from": "human", "value": LONG}, {"from": "gpt", "value": LONG}]
    first.scores[LONG] = 0.5
    crowded.regions += [Region((8 * k, 8 * k, 128, 128), "b") for k in range(11)]
    run = make_run(tmp_path_factory.mktemp("report"), [*rows, crowded])
    write_report(run)
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with a memory of its own, in which nothing may go wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    yield page
    context.close()
    assert not problems


def address(run: Run, file: str = "report.html", state: str = "") -> str:
    return (run.path / file).as_uri() + (f"#{state}" if state else "")


def file_of(row_id: str) -> str:
    return f"report/{page_name(row_id)}.html"


def rate_everything(page: Page, run: Run, levels: str) -> None:
    page.goto(address(run))
    page.keyboard.press("r")
    expect(page.locator("body.reviewing")).to_be_visible()  # the review begins with an event
    for key in levels:
        page.keyboard.press(key)


SIGHTS = {
    "gallery": ("report.html", ""),
    "filtered": ("report.html", "pairs=image_pair_similarity_filter: pair_too_similar"),
    "review": ("report.html", "review=all"),
    "review-crowded": ("report.html", f"review=../{LONG}-0"),
    "kept": (file_of("cap-00001"), ""),
    "slider": (file_of("cap-00001"), "view=slider"),
    "blink": (file_of("cap-00001"), "view=blink"),
    "crowded": (file_of(f"../{LONG}"), ""),
    "refused": (file_of("cap-00002"), ""),
    "failed": (file_of("cap-00004"), ""),
}


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(page: Page, run: Run, tmp_path: Path, width: int, sight: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address(run, *SIGHTS[sight]))
    page.screenshot(path=tmp_path / f"{sight}-{width}.png", full_page=True)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


OVERLAPS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const apart = "script, style, dialog, select, .bar, .pair-top, .boxes, .stage, .close-ups";
  const lines = [];
  while (walker.nextNode()) {
    const [node, holder] = [walker.currentNode, walker.currentNode.parentElement];
    if (!node.data.trim() || holder.closest(apart) || !holder.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) lines.push([box, holder, node.data.trim()]);
  }
  const found = [];
  for (const [k, [one, holder, text]] of lines.entries()) {
    for (const [other, otherHolder, otherText] of lines.slice(k + 1, k + 200)) {
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (holder !== otherHolder && wide > 2 && high > 5) found.push(`${text} | ${otherText}`);
    }
  }
  return found;
}"""  # boxes of the letters of neighbouring lines overlap by a few pixels


@pytest.mark.parametrize("sight", SIGHTS)
def test_no_text_lies_over_another_on_a_phone(page: Page, run: Run, sight: str) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(address(run, *SIGHTS[sight]))
    assert page.evaluate(OVERLAPS) == []
    if sight == "kept":  # what is looked for would be found
        page.evaluate("document.querySelector('h1').style.marginTop = '-34px'")
        assert page.evaluate(OVERLAPS)


def cut(page: Page) -> float:
    return float(page.locator(".compare input").input_value())


def test_two_images_are_compared_with_the_mouse(page: Page, run: Run) -> None:
    page.goto(address(run))
    page.locator(".card .over").first.click()
    expect(page).to_have_title("cap-00001 · replace · imgdiff")
    stage = page.locator(".stage")
    expect(stage).to_be_visible()
    expect(page.locator(".pair")).to_be_hidden()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
    page.mouse.up()
    assert cut(page) == pytest.approx(25, abs=2)
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)  # no button is held
    assert cut(page) == pytest.approx(25, abs=2)
    page.locator("a.next").click()
    expect(page.locator(".stage")).to_be_visible()  # the next pair is compared in the same way
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".pair")).to_be_visible()
    expect(page.locator(".compare")).to_be_hidden()


def test_two_images_are_compared_by_touch(browser: Browser, run: Run) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(address(run, file_of("cap-00001")))
    page.get_by_role("button", name="Slider").tap()
    box = page.locator(".stage").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + 50)
    assert cut(page) == pytest.approx(80, abs=2)
    page.get_by_role("button", name="Blink").tap()
    page.locator(".play").tap()
    shows_b = page.locator(".compare.b")
    before = shows_b.count()
    page.locator(".stage").tap()
    expect(shows_b).to_have_count(1 - before)
    context.close()


def test_two_images_are_compared_with_the_keyboard(page: Page, run: Run) -> None:
    page.emulate_media(reduced_motion="reduce")  # nothing blinks by itself
    page.goto(address(run, file_of("cap-00001")))
    page.keyboard.press("c")
    expect(page.locator(".stage")).to_be_visible()
    for key, place in (("ArrowRight", 51), ("End", 100), ("Home", 0)):
        page.keyboard.press(key)
        assert cut(page) == place
    expect(page).to_have_title("cap-00001 · replace · imgdiff")  # not the next pair
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Show B")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Show A")).to_be_visible()
    page.reload()
    expect(page.locator(".compare.blinks")).to_be_visible()
    page.keyboard.press("c")
    expect(page.locator(".pair")).to_be_visible()


def test_blinking_shows_one_and_the_other(page: Page, run: Run) -> None:
    page.goto(address(run, file_of("cap-00001"), "view=blink"))
    for shown in (1, 0, 1):
        expect(page.locator(".compare.b")).to_have_count(shown)
    page.get_by_role("button", name="Pause").click()
    before = page.locator(".compare.b").count()
    page.wait_for_timeout(1000)
    assert page.locator(".compare.b").count() == before


def test_boxes_are_shown_and_hidden_in_every_view(page: Page, run: Run) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(address(run, file_of("cap-00001"), "view=slider"))
    stage = page.locator(".stage")
    kept = stage.screenshot()
    page.get_by_label("Refused ones").check()
    both = stage.screenshot()
    page.get_by_label("Boxes", exact=True).uncheck()
    none = stage.screenshot()
    assert len({kept, both, none}) == 3


def test_cards_are_filtered_by_edited_object_and_reason(page: Page, run: Run) -> None:
    page.goto(address(run))
    seen = page.locator(".card:visible")
    every = seen.count()
    old = run.shards[0][0]["edit"]["source"]
    page.select_option("select[name=from]", old)
    expect(seen).to_have_count(page.locator(f'.card[data-from="{old}"]').count())
    page.locator(".chips a", has_text="too similar").click()
    expect(page.locator(".filters output")).to_have_text(f"{seen.count()} of {every} cards")
    page.go_back()
    page.go_back()
    expect(seen).to_have_count(every)


def test_a_filter_can_be_shared_and_cleared(page: Page, run: Run) -> None:
    page.goto(address(run, state="to=no such thing"))
    expect(page.locator(".card:visible")).to_have_count(0)
    expect(page.locator("#kept .unmatched")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card:visible")).to_have_count(page.locator(".card").count())


def test_without_scripts_every_card_is_seen(browser: Browser, run: Run) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(run, state="from=nothing"))
    assert page.locator(".card:visible").count() == page.locator(".card").count()
    assert page.locator(".scripted:visible").count() == 0
    page.context.close()


def test_arrow_keys_lead_through_the_gallery_and_the_pages(page: Page, run: Run) -> None:
    page.goto(address(run))
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_title("cap-00003 · replace · imgdiff")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_title("cap-00005 · replace · imgdiff")
    page.keyboard.press("Escape")
    expect(page.locator(f"#kept-{page_name('cap-00005')}")).to_be_focused()


def test_a_page_leads_back_to_the_gallery_as_it_was_filtered(page: Page, run: Run) -> None:
    reason = "image_pair_similarity_filter: pair_too_similar"
    page.goto(address(run, state=f"pairs={reason}"))
    page.locator(".card.pairs:visible .foot a").first.click()
    expect(page).to_have_title("cap-00002 · replace · imgdiff")
    page.keyboard.press("Escape")
    expect(page.locator("#refused-pairs .gallery-section:visible")).to_have_count(1)
    expect(page.locator(f"#pairs-{page_name('cap-00002')}")).to_be_focused()


def test_the_question_mark_shows_the_keys(page: Page, run: Run) -> None:
    for file in ("report.html", file_of("cap-00001")):
        page.goto(address(run, file))
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_foreign_scripts_do_not_run(browser: Browser, run: Run) -> None:
    page = browser.new_page()  # not the fixture's: here an error is what is wanted
    for file in ("report.html", file_of("cap-00001")):
        page.goto(address(run, file))
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.ran = true'}))"
        )
        assert page.evaluate("window.ran") is None
    page.close()


def test_ratings_are_kept_and_saved(page: Page, run: Run) -> None:
    rate_everything(page, run, "1231")
    expect(page.locator(".rated")).to_contain_text("1 of 15 rated")
    page.reload()
    expect(page.locator(".rated")).to_contain_text("1 of 15 rated")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save").click()
    assert saved.value.suggested_filename == "review.json"
    assert json.loads(saved.value.path().read_text()) == {
        "run": "replace",
        "ratings": {
            "cap-00001-0": {"box": "high", "content": "medium", "difference": "low"},
            "cap-00003-0": {"box": "high"},
        },
    }


def test_a_rating_is_taken_back_by_giving_it_again(page: Page, run: Run) -> None:
    rate_everything(page, run, "1")
    pressed = page.locator("[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    pressed.click()
    expect(pressed).to_have_count(0)


def test_a_review_keeps_to_the_filter_and_ends_where_it_was(page: Page, run: Run) -> None:
    old = run.shards[1][0]["edit"]["source"]
    page.goto(address(run, state=f"from={old}"))
    page.get_by_role("button", name="Review the samples").click()
    expect(page.locator(".rated")).to_contain_text("0 of 1 rated")
    page.keyboard.press("Escape")
    expect(page.locator(f"#kept-{page_name('cap-00003')}")).to_be_focused()


def test_the_page_of_a_pair_leads_to_its_place_in_the_review(page: Page, run: Run) -> None:
    page.goto(address(run, file_of("cap-00003")))
    page.get_by_role("link", name="Rate it in a review").click()
    expect(page.locator(".card.current")).to_have_attribute("aria-label", "cap-00003")


REVIEWS = {
    "Loaded the ratings of 1 sample.": {
        "run": "replace",
        "ratings": {"cap-00003-0": {"box": "low"}},
    },
    "r.json belongs to the run other, this page to replace.": {"run": "other", "ratings": {}},
    "r.json is not a saved review.": ["ratings"],
}


@pytest.mark.parametrize("told", REVIEWS)
def test_a_saved_review_is_read_back(page: Page, run: Run, tmp_path: Path, told: str) -> None:
    (tmp_path / "r.json").write_text(json.dumps(REVIEWS[told]))
    page.goto(address(run, state="review=cap-00003-0"))
    page.set_input_files("input[type=file]", tmp_path / "r.json")
    expect(page.locator(".review .status")).to_have_text(told)
    expect(page.locator("[aria-pressed=true]")).to_have_count(int(told.startswith("Loaded")))
