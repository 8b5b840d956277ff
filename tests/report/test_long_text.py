"""Captions of any length, and any number of regions: the run ends, and its pages can be read."""

import pytest

from imgdiff import run
from imgdiff.data.rows import Region, Row
from imgdiff.report.gallery import SHOWN_REGIONS, page_name
from imgdiff.report.pairs import shown_regions
from imgdiff.text.shortening import SHOWN, shortened

WORDS = 200_000  # of five characters
LARGEST_PAGE = 400_000  # bytes; of twelve light rows the report has some 150,000


def run_with(project, caption, process):
    """A run of twelve captions, the fourth being `caption`; the sizes of its pages."""
    rows = [{"id": f"cap-{k}", "caption": "a red ball " * (k % 4 + 1)} for k in range(12)]
    rows[3]["caption"] = caption
    project.write_captions(rows)
    project.write_recipe(process=process)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    pages = [*project.run_path.glob("*.html"), *project.run_path.glob("report/*.html")]
    return [page.stat().st_size for page in pages]


@pytest.mark.timeout(120)  # a comparison word by word would take days
@pytest.mark.parametrize(
    ("longest", "status"), [(1.0, "rejected"), (None, "ok")], ids=["refused", "kept"]
)
@pytest.mark.parametrize("word", ["ball ", "xxxxx"], ids=["many words", "one word"])
def test_a_long_caption_holds_nothing_up(project, word, longest, status):
    process = ["light_edit_mapper", "light_image_mapper"]
    if longest is not None:
        process.append({"light_length_filter": {"max_score": longest}})
    sizes = run_with(project, word * WORDS, process)
    (row,) = (row for row in project.rows() if row.id == "cap-3")
    assert row.status == status
    assert row["caption_a"].split() == (word * WORDS).split()  # stored whole
    assert max(sizes) < LARGEST_PAGE
    page = (project.run_path / "report" / f"{page_name('cap-3')}.html").read_text()
    more = len(row["caption_a"]) - SHOWN
    assert f"({more:,} more characters)" in page
    report = (project.run_path / "report.html").read_text()
    assert f"({more:,} more characters)" in report
    card = "data" if status == "ok" else "dropped"
    assert (project.run_path / card / "README.md").stat().st_size < LARGEST_PAGE


@pytest.mark.timeout(120)
def test_many_regions_hold_nothing_up(project):
    sizes = run_with(
        project,
        "ball " * 10_000,
        ["light_edit_mapper", {"light_areas": {"light_area_filter": {"max_score": 1.0}}}],
    )
    assert max(sizes) < 2 * LARGEST_PAGE
    page = (project.run_path / "report" / f"{page_name('cap-3')}.html").read_text()
    assert f"Of 10,000 regions {SHOWN_REGIONS} are shown, kept ones first." in page
    (row,) = (row for row in project.rows() if row.id == "cap-3")
    refused = len(row.regions) - len(row.kept_regions)
    report = (project.run_path / "report.html").read_text()
    assert f"and {refused - SHOWN_REGIONS:,} more regions" in report


@pytest.mark.timeout(120)
def test_many_phrases_hold_nothing_up(project):
    sizes = run_with(project, "a red ball, " * 20_000, ["caption_phrase_mapper"])
    assert max(sizes) < LARGEST_PAGE
    (row,) = (row for row in project.rows() if row.id == "cap-3")
    assert len(row["phrases"]) == 20_000
    page = (project.run_path / "report" / f"{page_name('cap-3')}.html").read_text()
    assert f"({len(row['caption_a']) - SHOWN:,} more characters)" in page


def test_of_many_regions_the_kept_ones_are_shown():
    row = Row("a", 1, {}, [Region((0, 0, 8, 8), "a") for _ in range(SHOWN_REGIONS + 10)])
    for region in row.regions[:-1]:
        region.reject("light_area_filter", "width_out_of_range")
    numbers = [k for k, _ in shown_regions(row)]
    assert numbers == [*range(SHOWN_REGIONS - 1), SHOWN_REGIONS + 9]


def test_a_shortened_text_says_so():
    assert shortened("a" * SHOWN) == "a" * SHOWN
    assert shortened("red ball", 4) == "red … (4 more characters)"
