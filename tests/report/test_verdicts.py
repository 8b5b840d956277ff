"""Why something was kept or refused, as the pages of whole runs say it."""

import re
from pathlib import Path

import pytest

from imgdiff import cli, run
from imgdiff.report.paths import settings_without_paths, without_paths

EITHER = """
from typing import ClassVar

from pydantic import Field

from imgdiff.operator import Params, RegionFilter, register


class EitherParams(Params):
    min_width: float = Field(0.3, ge=0, le=1)
    min_place: float = Field(0.5, ge=0, le=1)
    most: int = Field(2, ge=1)


@register("either_filter")
class EitherFilter(RegionFilter):
    stage = "light_areas"
    Params = EitherParams
    reads = ("regions",)
    region_scores = ("box_width", "box_place")
    limits: ClassVar = {"box_width": ("min_width", None), "box_place": ("min_place", None)}
    any_of = (("box_width",), ("box_place",))
    decided_by = ("most",)
    nothing_left = "no_area"

    def score(self, rows):
        for row in rows:
            for k, region in enumerate(row.kept_regions):
                region.scores["box_width"] = region.box_xyxy[2] / 100
                region.scores["box_place"] = 1 / (k + 1)

    def decide_regions(self, row, regions):
        kept = 0
        for region in regions:
            wide = region.scores["box_width"] >= self.params.min_width
            if not (wide or region.scores["box_place"] >= self.params.min_place):
                region.reject(self.name, "neither")
            elif kept == self.params.most:
                region.reject(self.name, "over_limit")
            else:
                kept += 1
"""


def pages(project) -> dict[str, str]:
    """Row -> its page."""
    texts = (path.read_text() for path in project.run_path.glob("report/*.html"))
    return {re.search(r"<dt>Id</dt><dd>([^<]*)", text)[1]: text for text in texts}


def standings(page: str, region: str) -> list[tuple[str, str]]:
    """Score and how it is marked, of a region's card."""
    card = page.split(f">{region}</span>")[1].split("</article>")[0]
    return re.findall(r'<div class="(met|missed|decided)"><dt>([^<]*)</dt>', card)


@pytest.fixture
def either(project):
    Path("either.py").write_text(EITHER)
    captions = [{"id": "cap", "caption": "a red ball and one more beside it"}]
    project.write_captions(captions)
    project.write_recipe(
        operators=[*project.settings["operators"], "either.py"],
        process=["light_edit_mapper", "light_image_mapper", "light_area_mapper", "either_filter"],
    )
    assert run.main(["mine.yaml", "either_filter.min_place=0.6"]) == run.COMPLETE
    return pages(project)["cap"]


def test_only_what_decided_is_marked_as_such(either):
    # widths 0.08, 0.16, 0.24, 0.32, ...; places 1, 1/2, 1/3, ...
    assert standings(either, "cap-0") == [("missed", "box width"), ("met", "box place")]  # kept
    assert standings(either, "cap-1") == [("decided", "box width"), ("decided", "box place")]
    assert standings(either, "cap-3") == [("met", "box width"), ("missed", "box place")]  # kept
    assert standings(either, "cap-4") == [("met", "box width"), ("missed", "box place")]  # over


def test_limits_are_shown_with_their_rule(either, project):
    assert "<h4>either filter <small>one of the two suffices</small></h4>" in either
    why = "<p>box width is 0.160, wanted at least 0.3 (one of the two suffices)</p>"
    assert either.count(why) == 1
    assert why in (project.run_path / "report.html").read_text()
    report = (project.run_path / "report.html").read_text()
    assert "pass, wanted at least 0.6; one of the two suffices" in report
    assert "is 0.400, wanted" not in report  # over the limit of regions, and not for a score


def test_scores_of_kept_rows_are_never_red(project):
    project.finish()
    shown = pages(project)
    for row in project.rows():
        if row.ok:
            kept = [f"{row.id}-{k}" for k, r in enumerate(row.regions) if r.status == "ok"]
            assert all("decided" not in dict(standings(shown[row.id], name)) for name in kept)
    refused = next(row for row in project.rows() if "light_length_filter" in row.reason)
    assert '<div class="decided"><dt>caption length</dt>' in shown[refused.id]


def test_pages_tell_nothing_of_where_files_lie(project):
    folder = project.folder
    project.write_captions(["no JSON", {"id": "good", "caption": "a red ball and a blue one"}])
    Path("lost.py").write_text(
        "from imgdiff.operator import Mapper, register\n"
        '@register("lost_mapper")\n'
        "class Lost(Mapper):\n"
        "    def process(self, rows):\n"
        "        for row in rows:\n"
        "            raise OSError(f'cannot open {__file__}, nor /srv/data/one two/b.png')\n"
    )
    lights = project.settings["operators"]
    project.write_recipe(
        dataset_path=str(folder / "captions.jsonl"),
        export_path=str(folder / "outputs/try"),
        operators=[*lights, str(folder / "lost.py")],
        limits={"max_failed_fraction": 1.0},
        process=[*project.settings["process"], "lost_mapper"],
    )
    project.run_path = folder / "outputs/try"
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert cli.main(["analyze", str(project.run_path)]) == run.COMPLETE
    found = [*project.run_path.glob("*.html"), *project.run_path.glob("report/*.html")]
    assert len(found) == 4
    for page in found:
        text = page.read_text()
        for place in (str(folder), str(Path(run.__file__).parents[1]), "/srv"):
            assert place not in text
    report = (project.run_path / "report.html").read_text()
    assert "dataset_path: captions.jsonl" in report
    assert "cannot open lost.py, nor " in report


TEXTS = [
    ("cannot read /home/me/data/a.png: No such file", "cannot read a.png: No such file"),
    ("'/home/me/x.py' and ~/b/c.jsonl", "'x.py' and c.jsonl"),
    (r"C:\Users\me\a.png", "a.png"),
    ("https://hub.co/owner/name and/or 1/2, owner/name", None),
    ("a/b.png /", None),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_of_an_absolute_path_the_last_part_is_left(text, shown):
    assert without_paths(text) == (shown or text)


def test_settings_are_gone_through_at_any_depth():
    given = {"operators": ["/a/my files/x.py", "y.py"], "models": {"clip": {"name": "~/m/clip"}}}
    shown = {"operators": ["x.py", "y.py"], "models": {"clip": {"name": "clip"}}}
    assert settings_without_paths(given) == shown
