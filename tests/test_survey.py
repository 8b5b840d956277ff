"""One pass over the input before the first row, for operators that ask for it."""

import json
import pickle
from pathlib import Path

from imgdiff import cli
from imgdiff.data.input import Input
from imgdiff.data.readers import find
from imgdiff.engine.description import describe
from imgdiff.engine.survey import survey, surveyed_rows, write_surveys
from imgdiff.recipe.check import check
from imgdiff.store.folder_store import FolderStore

RECIPE = (
    "project_name: x\ndataset_path: rows.jsonl\nexport_path: o\nlexicon: toyland\nprocess:\n"
    "  - object_negatives_mapper: {object_source: caption}\n"
)
ROWS = [
    {"caption": "a red car", "objects": ["car", "boat"], "image": "not/there.png"},
    {"caption": 9},
    {"caption": "a blue mug"},
]


def plan_of(project):
    project.write_captions(ROWS, "rows.jsonl")
    Path("recipe.yaml").write_text(RECIPE)
    plan = check("recipe.yaml")
    return plan, Input(plan.dataset)


def test_rows_come_without_pictures_and_unreadable_ones_not_at_all(project):
    project.write_captions(ROWS, "rows.jsonl")
    rows = list(surveyed_rows(Input(find("rows.jsonl"))))
    assert [sorted(row.values) for row in rows] == [["caption_a", "objects"], ["caption_a"]]


def test_the_answer_travels_with_the_operator_and_is_left_for_people(project, tmp_path):
    plan, source = plan_of(project)
    (operator,) = plan.operators
    before = describe(plan, source).phases[0].scoring
    survey(plan, source)
    assert operator.surveyed["frequency"] == {"boat": 1, "car": 1, "mug": 1}
    assert describe(plan, source).phases[0].scoring != before
    (sent,) = pickle.loads(pickle.dumps(plan.phases))[0].operators  # as to a worker of Ray
    assert sent.surveyed == operator.surveyed
    write_surveys(plan, FolderStore(tmp_path))
    left = json.loads((tmp_path / "surveys" / "object_negatives_mapper.json").read_text())
    assert left == operator.surveyed


def test_objects_of_a_file_are_counted_for_another_run(project, capsys):
    project.write_captions(ROWS, "rows.jsonl")
    given = ["objects", "rows.jsonl", "--lexicon", "toyland", "--json", "counted.json"]
    assert cli.main(given) == 0
    out = capsys.readouterr().out
    assert "2 images, 3 objects" in out
    assert "car 1" in out
    counted = json.loads(Path("counted.json").read_text())
    assert counted["together"] == {"boat": {"car": 1}, "car": {"boat": 1}}
