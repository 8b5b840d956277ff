"""`recipes/ohd_negatives.yaml` on the scenes that it ships with, and what `evaluate ohd` reads."""

import json
from pathlib import Path

import pytest
from runs import finished

from imgdiff.evaluation.ohd import read_run
from imgdiff.run import main as run
from imgdiff.text.negatives import FAMILIES

pytestmark = pytest.mark.slow


def test_scenes_get_27_negatives_each(tmp_path: Path) -> None:
    left = finished("recipes/ohd_negatives.yaml", tmp_path / "run", "shard_rows=20", "limit=40")
    assert left.report["rows"] == {"total": 40, "ok": 40, "rejected": 0, "failed": 0}
    items = read_run(tmp_path / "run")
    assert {len(set(item.captions)) for item in items} == {28}
    assert {family for item in items for family in item.families} == set(FAMILIES)
    assert items[0].load().shape == (128, 128, 3)
    counted = json.loads((tmp_path / "run/surveys/object_negatives_mapper.json").read_text())
    assert counted["images"] == 64  # all of the input, whatever `limit` says
    card = (tmp_path / "run" / "data" / "README.md").read_text()
    assert "hard negatives" in card
    assert "| `negatives` |" in card
    page = (tmp_path / "run" / "report.html").read_text()
    assert "27 negatives, such as" in page


def test_statistics_of_the_input_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    """With other statistics the rows are made again; with the same ones in a file they are not
    other rows."""
    first = finished("recipes/ohd_negatives.yaml", tmp_path / "run", "limit=8")
    made = first.files.read(0, 1)
    path = tmp_path / "run" / "surveys" / "object_negatives_mapper.json"
    given = tmp_path / "statistics.json"
    given.write_text(path.read_text())
    setting = f"object_negatives_mapper.statistics={given}"
    again = finished("recipes/ohd_negatives.yaml", tmp_path / "run", "limit=8", setting)
    assert [r["negatives"] for r in again.files.read(0, 1)] == [r["negatives"] for r in made]
    content = json.loads(given.read_text())
    content["frequency"] = dict.fromkeys(content["frequency"], 1)
    content["together"] = {}
    given.write_text(json.dumps(content))
    other = finished("recipes/ohd_negatives.yaml", tmp_path / "run", "limit=8", setting)
    assert [r["negatives"] for r in other.files.read(0, 1)] != [r["negatives"] for r in made]


def test_statistics_that_are_not_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["object_negatives_mapper.statistics=nowhere.json", f"export_path={tmp_path}/run"]
    assert run(["recipes/ohd_negatives.yaml", *given]) == 2
    assert "nowhere.json: No such file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_objects_may_be_named_by_segments_and_clip(tmp_path: Path) -> None:
    """`docs/ohd-clip.md` shows this recipe."""
    page = (Path(__file__).parents[2] / "docs" / "ohd-clip.md").read_text()
    process = page.split("```yaml\n")[1].split("```")[0]
    recipe = tmp_path / "recipe.yaml"
    scenes = Path(__file__).parents[2] / "recipes" / "data" / "scenes" / "scenes.jsonl"
    head = f"project_name: x\ndataset_path: {scenes}\nexport_path: {tmp_path}/o\nlimit: 6\n"
    recipe.write_text(head + process)
    assert run([str(recipe)]) == 0
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert report["rows"]["ok"] >= 4
