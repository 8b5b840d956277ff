"""Which operators run together: what they say themselves decides, not where their files lie."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import imgdiff
from imgdiff import run
from imgdiff.operator import Mapper, Selector, register
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import phases_of

PACKAGES = Path(imgdiff.__file__).parents[1]
OWN = """
from imgdiff.operator import Mapper, register

@register("{name}")
class Own(Mapper):
    stage = "{stage}"
    reads = ("caption_a",)
    writes = ("{field}",)

    def process(self, rows):
        for row in rows:
            row["{field}"] = "by {name}"
"""


def write_mapper(path, name, field, stage=""):
    """A file with an operator that writes one text; returns its path as a recipe has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OWN.format(name=name, field=field, stage=stage))
    return str(path)


class Idle(Mapper):
    def process(self, rows):
        pass


class Indifferent(Selector):
    def decide(self, row):
        pass

    def keep(self, row):
        pass


def made(base, stage):
    cls = type("Made", (base,), {"stage": stage})
    return cls(cls.Params())


def test_consecutive_operators_of_one_stage_are_a_phase():
    mappers = [made(Idle, stage) for stage in ("", "a", "a", "", "b", "a")]
    phases = phases_of([*mappers, *(made(Indifferent, Selector.stage) for _ in range(2))])
    assert [(phase.name, len(phase.operators), phase.selects) for phase in phases] == [
        ("extra", 1, False),
        ("a", 3, False),
        ("b", 1, False),
        ("a", 1, False),
        ("selection", 2, True),
    ]


def dry_run(path):
    """What a start would do, in a process of its own: phase -> shards reused and all other counts.

    path: where Python looks for packages first.
    """
    command = [sys.executable, "-m", "imgdiff.run", "mine.yaml", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == run.COMPLETE, done.stderr
    lines = done.stdout.partition("shards reused")[2].splitlines()[1:]
    return {phase: list(map(int, counts)) for phase, *counts in map(str.split, lines)}


def test_moved_files_change_nothing_of_a_finished_run(project):
    files = [
        write_mapper(Path("mine/prompts.py"), "prompt_mapper", "prompt", "prompts"),
        write_mapper(Path("mine/sentences.py"), "sentence_mapper", "sentence_set"),
    ]
    lights = project.settings["operators"]
    process = [*project.settings["process"], "prompt_mapper", "sentence_mapper"]
    project.write_recipe(process=process, operators=[*lights, *files])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    there = [Path("elsewhere/deep/a.py"), Path("other.py")]
    for file, place in zip(files, there, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)
    project.write_recipe(process=process, operators=[*lights, *map(str, there)])
    phases = ("extra", "light_areas", "prompts")
    assert dry_run(PACKAGES) == {phase: [4, 0, 0, 0, 0] for phase in phases}


def test_moved_files_of_the_operator_set_change_nothing(project):
    """As in another version of the package, whose folders are cut otherwise."""
    process = [
        *project.settings["process"][:2],
        "image_pair_hash_mapper",
        "image_pair_deduplicator",
    ]
    project.write_recipe(process=process)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    place = project.folder / "package"
    shutil.copytree(PACKAGES / "operators", place / "operators")
    (place / "imgdiff").symlink_to(PACKAGES / "imgdiff")
    moved = place / "operators" / "moved"
    moved.mkdir()
    (moved / "__init__.py").touch()
    for file in ("image_pairs/image_pair_hash_mapper.py", "selection/image_pair_deduplicator.py"):
        shutil.move(place / "operators" / file, moved)
    phases = ("extra", "image_pairs", "selection")
    assert dry_run(place) == {phase: [4, 0, 0, 0, 0] for phase in phases}


def test_a_mapper_of_the_selectors_stage_runs(project):
    """Selectors are known by what they are: what only shares their stage is no selector."""
    file = write_mapper(Path("early.py"), "early_mapper", "prompt", "selection")
    project.write_recipe(
        operators=[*project.settings["operators"], file],
        process=["early_mapper", "light_repeat_selector"],
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = project.rows()
    assert {row["prompt"] for row in rows} == {"by early_mapper"}
    assert sum(row.ok for row in rows) == 12


def test_a_run_of_mappers_alone_never_selects(project):
    file = write_mapper(Path("alone.py"), "alone_mapper", "prompt", "selection")
    project.write_recipe(operators=[file], process=["alone_mapper"])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert all(row.ok and row["prompt"] for row in project.rows())


@pytest.mark.parametrize("stage", ["a/b", "..", "two words"])
def test_a_stage_must_name_a_folder(project, stage):
    file = write_mapper(Path("bad.py"), "bad_stage_mapper", "prompt", stage)
    path = project.write_recipe(operators=[file], process=["bad_stage_mapper"])
    text = f"operators\\[0\\]: bad.py: ValueError: bad_stage_mapper: stage '{stage}', expected"
    with pytest.raises(run.RefusedError, match=text):
        check(path)


def test_selectors_have_one_stage():
    with pytest.raises(ValueError, match="own_selector: stage 'mine', but selectors are all of"):
        register("own_selector")(type("Own", (Indifferent,), {"stage": "mine"}))


def test_a_selector_inside_a_first_composite_has_something_before_it(project):
    Path("both.py").write_text(
        "from imgdiff.operator import Composite, register\n"
        '@register("edit_and_select")\n'
        "class Both(Composite):\n"
        '    steps = ("light_edit_mapper", "light_repeat_selector")\n'
    )
    project.write_recipe(
        operators=[*project.settings["operators"], "both.py"], process=["edit_and_select"]
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert sum(row.ok for row in project.rows()) == 12
