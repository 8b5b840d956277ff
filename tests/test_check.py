import subprocess
import sys
from pathlib import Path

import pytest

from imgdiff import operator, operators
from imgdiff.recipe.check import check
from imgdiff.recipe.source import RecipeError

FIVE_MISTAKES = """\
project_name: try
dataset_path: captions.jsonl
export_path: outputs/try
shard_row: 8
operators: [{operators}]
process:
  - light_edit_mapper: {{suffix: 5}}
  - light_imge_mapper
  - light_length_filter:
      min_score: "1e-4"
      max_scor: 0.5
  - light_areas:
      light_area_filter: {{min_score: 0.9, max_score: 0.2}}
"""


def problems(project, text=None, **changes):
    path = project.write_recipe(text, **changes)
    with pytest.raises(RecipeError) as error:
        check(path)
    head, *lines = str(error.value).split("\n  ")
    assert head == f"mine.yaml: {len(lines)} problem{'s' * (len(lines) != 1)}"
    return lines


def test_every_problem_is_in_one_report(project):
    text = FIVE_MISTAKES.format(operators=project.settings["operators"][0])
    assert problems(project, text) == [
        "line 4, shard_row: unknown setting. Did you mean shard_rows?",
        "line 7, process[0].light_edit_mapper.suffix: 5 is a number, expected text.",
        "line 8, process[1].light_imge_mapper: unknown operator. Did you mean light_image_mapper? "
        "See: imgdiff operators",
        'line 10, process[2].light_length_filter.min_score: "1e-4" is text, expected a number. '
        "Write 1.0e-4.",
        "line 11, process[2].light_length_filter.max_scor: unknown setting. "
        "Did you mean max_score?",
        "line 13, process[3].light_areas.light_area_filter: min_score 0.9 is above max_score 0.2",
    ]


def test_a_former_name_of_a_setting_leads_to_its_name_now(project):
    settings = {"min_predicted_iou": 0.25, "min_stability": 0.65, "nms_iou": 0.7}
    found = problems(project, process=["light_edit_mapper", {"image_segment_mapper": settings}])
    assert [line.partition("image_segment_mapper.")[2] for line in found if "unknown" in line] == [
        "min_predicted_iou: unknown setting. Did you mean pred_iou_thresh?",
        "min_stability: unknown setting. Did you mean stability_score_thresh?",
        "nms_iou: unknown setting. Did you mean box_nms_thresh?",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "1e4"}, '"1e4" is text, expected a whole number. Write 10000.'),
        ({"seed": "20"}, '"20" is text, expected a whole number. Write 20, without quotes.'),
        ({"seed": True}, "True is true or false, expected a whole number."),
        ({"seed": None}, "None is empty, expected a whole number."),
        ({"seed": -1}, "-1 is below 0"),
        ({"seed": 2**63}, "is not below 9223372036854775808"),
        ({"limits": {"max_failed_fraction": "1e4"}}, "expected a number. Write 1.0e+4."),
        ({"limits": {"max_failed_fraction": "x"}}, '"x" is text, expected a number.'),
        ({"shard_rows": 0}, "0 is below 1"),
        ({"project_name": 5}, "5 is a number, expected text."),
        ({"executor_type": "slurm"}, "\"slurm\" is not one of 'local'"),
        ({"operators": "x.py"}, '"x.py" is text, expected a list.'),
        ({"limits": 3}, "3 is a number, expected a mapping."),
        ({"limits": {"max_failed_fraction": 1.5}}, "1.5 is above 1"),
        ({"limits": {"max_pixel": 1}}, "unknown setting. Did you mean max_pixels?"),
        ({"process": []}, "List should have at least 1 item"),
        ({"models": 5}, "5 is a number, expected text."),
        ({"models": "embeded"}, "no named set 'embeded'; there are: embedded"),
        ({"dataset_path": "none.jsonl"}, "no such file or folder: none.jsonl"),
        ({"dataset_path": "mine.yaml"}, "name ends in .txt, .jsonl, .csv, .json or .parquet"),
        ({"operators": ["none.py"]}, "no such file: none.py"),
    ],
)
def test_settings_of_the_recipe(project, changes, message):
    (key,) = changes
    assert any(f"{key}" in line and message in line for line in problems(project, **changes))


def test_required_settings(project):
    assert "line 1, project_name: is required" in problems(project, "seed: 1\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (5, "a number, expected the name of an operator"),
        (
            {"light_edit_mapper": None, "suffix": "x"},
            "2 keys (light_edit_mapper, suffix), expected one operator with its settings indented",
        ),
        ({"light_edit_mapper": [1]}, "light_edit_mapper: a list, expected settings"),
        ({"light_areas": {"x": {}}}, "light_areas.x: unknown step."),
        ({"light_areas": {"light_area_fliter": {}}}, "Did you mean light_area_filter?"),
        ({"light_length_filter": {"max_score": 9.8}}, "max_score: 9.8 is above 1"),
        (
            {"light_length_filter": {"min_score": -0.1}},
            "light_length_filter.min_score: -0.1 is below 0",
        ),
    ],
)
def test_entries_of_process(project, entry, message):
    (line,) = problems(project, process=[entry])
    assert "process[0]" in line
    assert message in line


def test_an_operator_may_be_named_once(project):
    (line,) = problems(project, process=["light_edit_mapper", "light_edit_mapper"])
    assert line.endswith("named twice, first in process[0]; scores are kept by operator")


def test_a_field_must_come_from_somewhere(project):
    (line,) = problems(project, process=["light_image_mapper"])
    assert "process[0].light_image_mapper: needs caption_b, which nothing before it makes." in line
    assert "light_edit_mapper" in line.partition("Made by: ")[2]


def test_a_field_may_come_from_the_input(project):
    project.write_captions([{"caption": "a ball", "caption_b": "a cup"}])
    assert check(project.write_recipe(process=["light_image_mapper"])).needed == {
        "caption_a",
        "caption_b",
    }


BROKEN_OPERATORS = """
from imgdiff.operator import Mapper, register

@register("{name}")
class Odd(Mapper):
    reads = ("captoin_a",)
    roles = {roles}

    def process(self, rows):
        pass
"""


def write_operator(name="wrong_mapper", roles="()"):
    with open("odd.py", "w") as file:
        file.write(BROKEN_OPERATORS.format(name=name, roles=roles))
    return {"operators": ["odd.py"], "process": [name]}


def test_an_operator_may_read_fields_of_a_row_only(project):
    (line,) = problems(project, **write_operator())
    assert line.endswith("captoin_a is no field of a row. Did you mean caption_a?")


def test_a_needed_model_must_be_named(project):
    changes = write_operator(roles='("clip",)')
    assert any(
        line.endswith("needs the model clip, which models does not name")
        for line in problems(project, models={}, **changes)
    )


def test_a_missing_checkpoint_is_reported(project):
    changes = write_operator(roles='("clip",)')
    lines = problems(project, models={"clip": "./none"}, **changes)
    assert any("models.clip: no such folder: ./none" in line for line in lines)


def test_a_name_that_is_taken_is_reported(project, light):
    (line, *_) = problems(project, **write_operator(name="light_edit_mapper"))
    assert "operators[0]: odd.py: ValueError: operator light_edit_mapper is in both " in line


def test_a_name_of_the_operator_set_is_taken_though_its_file_is_not_read_yet(project):
    settings = write_operator(name="nsfw_filter")
    project.write_recipe(**settings)
    command = [sys.executable, "-m", "imgdiff", "check", "mine.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "odd.py: ValueError: operator nsfw_filter is in both imgdiff.operators." in done.stderr


@pytest.mark.parametrize("file", ["elsewhere.py", "deep/down/found_mapper.py"])
def test_a_file_of_the_operator_set_is_found_wherever_it_lies(project, monkeypatch, file):
    name = f"{Path(file).stem}_found_mapper"
    path = project.folder / "set" / file
    path.parent.mkdir(parents=True)
    path.write_text(BROKEN_OPERATORS.format(name=name, roles="()").replace("captoin", "caption"))
    monkeypatch.setattr(operators, "__path__", [*operators.__path__, str(project.folder / "set")])
    monkeypatch.setattr(operator, "_REGISTRY", dict(operator.registry()))
    assert [op.name for op in check(project.write_recipe(process=[name])).operators] == [name]


def test_a_broken_operator_file_is_reported(project):
    with open("odd.py", "w") as file:
        file.write("1 / 0")
    (line,) = problems(project, operators=["odd.py"], process=["light_edit_mapper"])
    assert "operators[0]: odd.py: ZeroDivisionError: division by zero" in line


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ({"num_gpu": 1}, "phases.extra.num_gpu: unknown setting. Did you mean num_gpus?"),
        ({"num_cpus": -1.0}, "phases.extra.num_cpus: -1.0 is below 0.0"),
        ({"concurrency": 0}, "concurrency is a number from 1 on, or [least, most]"),
        ({"concurrency": [3, 2]}, "concurrency is a number from 1 on, or [least, most]"),
        ({"concurrency": [1]}, "concurrency is a number from 1 on, or [least, most]"),
    ],
)
def test_a_pool_that_cannot_be(project, pool, message):
    (line,) = problems(project, phases={"extra": pool})
    assert line.endswith(message)


def test_a_pool_of_no_phase(project):
    (line,) = problems(project, phases={"light_area": {}})
    assert line.endswith(
        "phases.light_area: no such phase; the recipe has extra, light_areas. "
        "Did you mean light_areas?"
    )


def test_a_step_of_a_composite_may_be_off(project):
    plan = check(project.write_recipe(), ["light_area_filter=off"])
    assert [operator.name for operator in plan.operators][-1] == "light_area_mapper"
    (line,) = problems(project, process=[{"light_areas": {"light_area_mapper": False}}])
    assert "light_area_filter: needs regions, which nothing before it makes." in line


CHAIN = ["difference_area_generator"]
IMAGES = {"image_a": "a.png", "image_b": "b.png"}


def test_pairs_without_captions_are_told_the_way_out(project):
    project.write_captions([IMAGES])
    for name, line in zip("ab", problems(project, process=CHAIN), strict=True):
        assert f"region_text_matching_filter: needs caption_{name}, which nothing before" in line
        assert "makes. Without captions set region_text_matching_filter: off." in line
    check(project.write_recipe(process=CHAIN), ["region_text_matching_filter=off"])


def test_columns_of_other_names_are_told_the_way_out(project):
    project.write_captions([{"before": "a.png", "image_b": "b.png"}])
    off = [{CHAIN[0]: {"region_text_matching_filter": False}}]
    (line,) = problems(project, process=off)
    assert "It has before, image_b. If one of these is it, say columns: {image: COLUMN}." in line
    plan = check(project.write_recipe(process=off, columns={"image_a": "before"}))
    assert plan.needed == {"image_a", "image_b"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"imag": "image_a"}, "columns.imag: no field of the input. Did you mean image"),
        ({"mask": "image_a"}, "no field of the input. The input gives id, caption_a, caption_b,"),
        ({"image_a": "image"}, "image_a: the input has no column image. Did you mean image_"),
        ({"image_a": "x"}, "the input has no column x. It has image_a, image_b."),
        ({"image_a": 1}, "1 is a number, expected text."),
    ],
)
def test_columns_of_the_recipe(project, columns, message):
    project.write_captions([IMAGES])
    assert any(message in line for line in problems(project, columns=columns, seed=-1))


def test_a_size_is_refused_or_fitted(project):
    (line,) = problems(project, resize="stretch")
    assert "resize: \"stretch\" is not one of 'refuse' or 'fit'" in line


def test_what_a_dataset_of_the_hub_gives_is_not_known_yet(project):
    path = project.write_recipe(dataset_path="hf://me/pairs", process=["light_length_filter"])
    assert check(path).needed == {"caption_a"}
    (line,) = problems(project, dataset_path="hf://pairs")
    assert line.endswith("hf://pairs: expected hf://owner/name[@revision][/config][?split=name]")
