import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections import namedtuple
from dataclasses import replace

import pytest

from imgdiff import cli, run
from imgdiff.data.input import Input
from imgdiff.data.rows import Region, Row
from imgdiff.engine.description import describe
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.operator import INHERITED
from imgdiff.recipe.check import check
from imgdiff.store import files
from imgdiff.store.files import write_atomic
from imgdiff.store.folder_store import FolderStore
from imgdiff.store.identity import FREE
from imgdiff.store.run_dir import open_complete, open_run
from imgdiff.store.run_info import RunModel, RunPhase

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def info(project):
    plan = check("mine.yaml")
    return describe(plan, Input(plan.dataset))


def make_rows(folder, shard):
    start, stop = folder.span(shard)
    return [Row(f"cap-{k}", k, {"caption_a": f"caption {k}"}) for k in range(start, stop)]


def fill(path, info):
    """Every shard complete, with rows that no operator made."""
    with open_run(path, info) as folder:
        for shard in folder.todo(0):
            folder.write_shard(0, shard, make_rows(folder, shard), [], 1.0)
    return folder


def todo(path, info):
    with open_run(path, info) as folder:
        return folder.todo(0)


def data_file(project, phase, shard):
    (file,) = (project.run_path / "stages" / phase).glob(f"{shard:05d}.*.parquet")
    return file


def manifest_of(file):
    return file.with_name(f"{file.name[:5]}.json")


def limited(info, limit):
    return replace(info, recipe=info.recipe | {"limit": limit})


def test_run_json_says_what_is_run(project, info):
    with open_run(project.run_path, info) as folder:
        stored = json.loads((folder.path / "run.json").read_text())
    assert stored["started"]
    assert stored["input"]["rows"] == 30
    assert stored["phases"] == [
        {
            "name": "extra",
            "operators": ["light_edit_mapper", "light_image_mapper", "light_length_filter"],
            "selects": False,
            "columns": ["caption_a", "caption_b", "image_a", "image_b"],
            "thresholds": {"light_length_filter": {"min_score": 0.15, "max_score": 1.0}},
            "scoring": info.phases[0].scoring,
        },
        {
            "name": "light_areas",
            "operators": ["light_area_mapper", "light_area_filter"],
            "selects": False,
            "columns": ["regions"],
            "thresholds": {"light_area_filter": {"min_score": 0.1, "max_score": 1.0}},
            "scoring": info.phases[1].scoring,
        },
    ]
    length_filter = stored["operators"][2]
    assert length_filter["scores"] == ["caption_length"]
    assert length_filter["thresholds"] == {"caption_length": [0.15, 1.0]}
    assert stored["operators"][4]["region_scores"] == ["area_width"]


def test_shards_cover_the_input(project, info):
    with open_run(project.run_path, info) as folder:
        assert [folder.span(shard) for shard in folder.todo(0)] == [
            (0, 8),
            (8, 16),
            (16, 24),
            (24, 30),
        ]


def test_rows_come_back_as_they_were_written(project, info):
    row = Row("cap-0", 5, {"caption_a": "a"}, [Region((0.0, 0.0, 2.0, 2.0), "b")], {})
    row.regions[0].reject("light_area_filter", "width_out_of_range")
    with open_run(project.run_path, info) as folder:
        for phase in (0, 1):
            folder.write_shard(phase, 0, [row], [], 1.0)
        assert folder.rows(0) == [row]


def test_manifests_count(project, info):
    with open_run(project.run_path, info) as folder:
        rows = make_rows(folder, 0)
        rows[0].reject("light_length_filter", "caption_short", "")
        rows[1].fail("input", "input_line", "")
        rows[2].regions = [Region((0.0, 0.0, 2.0, 2.0), "a")]
        manifest = folder.write_shard(0, 0, rows, [], 1.5)
    assert manifest["counts"] == {"ok": 6, "rejected": 1, "failed": 1}
    assert manifest["reasons"] == {"light_length_filter: caption_short": 1, "input: input_line": 1}
    assert (manifest["rows"], manifest["samples"], manifest["seconds"]) == (8, 1, 1.5)


def test_complete_shards_are_not_done_again(project, info):
    fill(project.run_path, info)
    assert todo(project.run_path, info) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: manifest_of(file).unlink(),
        lambda file: manifest_of(file).write_text("{"),
        lambda file: manifest_of(file).write_text("[]"),
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x"),
    ],
)
def test_a_shard_without_a_valid_manifest_is_done_again(project, info, damage):
    fill(project.run_path, info)
    damage(data_file(project, "00_extra", 2))
    assert todo(project.run_path, info) == [2]


def test_attempts_are_counted(project, info):
    fill(project.run_path, info)
    data_file(project, "00_extra", 2).unlink()
    assert [each["attempt"] for each in fill(project.run_path, info).manifests(0)] == [1, 1, 2, 1]


def test_a_raised_limit_redoes_the_last_part_and_adds(project, info):
    fill(project.run_path, limited(info, 12))
    assert todo(project.run_path, limited(info, 12)) == []
    assert todo(project.run_path, limited(info, 20)) == [1, 2]
    assert todo(project.run_path, info) == [1, 2, 3]


def test_a_lowered_limit_keeps_what_lies_beyond(project, info):
    fill(project.run_path, info)
    fill(project.run_path, limited(info, 12))
    assert todo(project.run_path, limited(info, 12)) == []
    assert todo(project.run_path, info) == [1]  # the shard that was cut


REDONE = {
    "light_edit_mapper.batch_size=2": [],
    "limits.max_failed_fraction=0.5": [],
    "seed=7": [0, 1],
    "limits.max_pixels=9": [0, 1],
    "resize=fit": [0, 1],
    "shard_rows=7": [0, 1],
    "light_edit_mapper.suffix=x": [0, 1],
    "light_length_filter.min_score=0.2": [0, 1],
    "light_area_mapper.seconds=0.5": [1],
    "light_area_filter.max_score=0.5": [1],
}


@pytest.mark.parametrize(("change", "phases"), REDONE.items())
def test_phases_before_the_first_change_are_used_again(project, change, phases):
    project.finish()
    with open_run(project.run_path, described(change)) as folder:
        assert [phase for phase in (0, 1) if folder.todo(phase)] == phases


def test_what_another_recipe_made_is_removed_at_the_end(project):
    project.finish()
    stages = project.run_path / "stages"
    steps = project.settings["process"]
    project.write_recipe(process=steps[:-1])
    assert run.main(["mine.yaml", "shard_rows=30"]) == run.COMPLETE
    (folder,) = stages.iterdir()
    assert folder.name == "00_extra"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".parquet"]


def test_leftovers_of_a_killed_run_are_removed(project, info):
    fill(project.run_path, info)
    stage = project.run_path / "stages" / "00_extra"
    before = sorted(stage.iterdir())
    (stage / "00002.parquet.tmp").touch()
    (stage / "00002.01234567.parquet").touch()  # of an attempt that came to no manifest
    assert todo(project.run_path, info) == []
    assert sorted(stage.iterdir()) == before


def test_a_shard_done_again_leaves_one_file(project, info):
    with open_run(project.run_path, info) as folder:
        first = folder.write_shard(0, 0, make_rows(folder, 0), [], 1.0)
        second = folder.write_shard(0, 0, make_rows(folder, 0), [], 1.0)
    assert first["file"] != second["file"]
    assert data_file(project, "00_extra", 0).name == second["file"]


def described(*overrides):
    plan = check("mine.yaml", overrides)
    return describe(plan, Input(plan.dataset))


def test_what_operators_inherit_counts_with_their_settings():
    assert {*INHERITED} <= {*FREE}


def test_changed_settings_are_told_and_remembered(project, info):
    fill(project.run_path, info)
    assert fill(project.run_path, info).changed == []
    changed = [
        "seed: 42 -> 7",
        "process.light_length_filter.min_score: 0.15 -> 0.2",
        "process.light_area_filter.batch_size: 16 -> 4",
    ]
    other = described(
        "seed=7", "light_length_filter.min_score=0.2", "light_area_filter.batch_size=4"
    )
    assert fill(project.run_path, other).changed == changed
    stored = json.loads((project.run_path / "run.json").read_text())
    assert [entry["changed"] for entry in stored["history"]] == [changed]
    assert stored["recipe"]["seed"] == 7


def test_other_operators_and_models_are_told(project, info):
    fill(project.run_path, info)
    recipe = info.recipe | {"process": info.recipe["process"][:-1]}
    models = {"clip": RunModel(name="x", fingerprint="f")}
    assert fill(project.run_path, replace(info, recipe=recipe, models=models)).changed == [
        "process.light_area_filter: removed",
        "fingerprint.clip: none -> f",
    ]


def test_another_order_is_told(project, info):
    fill(project.run_path, info)
    first, second, *rest = info.operators
    (line,) = fill(project.run_path, replace(info, operators=(second, first, *rest))).changed
    assert line.startswith("process: in another order, light_image_mapper, light_edit_mapper, ")


def test_another_input_is_refused_with_the_difference(project, info):
    fill(project.run_path, info)
    changed = replace(info, input=replace(info.input, rows=5012, sha256="other"))
    with pytest.raises(RefusedError) as error:
        fill(project.run_path, changed)
    assert str(error.value) == (
        "outputs/try: this folder was made from another input: captions.jsonl has 5,012 rows, "
        "had 30 (sha256 differs). Use a new export_path, or --restart to delete it."
    )


def of_another_form(stored):
    yield from ("{", "[]", "{}", json.dumps({"name": "sprint"}))
    yield json.dumps(stored | {"input": "captions.jsonl"})
    yield json.dumps(stored | {"phases": [1]})
    yield json.dumps({key: value for key, value in stored.items() if key != "operators"})


def test_a_run_json_of_another_form_is_refused(project, capsys):
    project.finish()
    path = project.run_path / "run.json"
    for content in of_another_form(json.loads(path.read_text())):
        path.write_text(content)
        capsys.readouterr()
        for more in ([], ["--dry-run"]):
            assert run.main(["mine.yaml", *more]) == run.REFUSED
            text = capsys.readouterr().err
            assert text.startswith("outputs/try/run.json cannot be read. Use a new export_path")
            assert text.count("\n") == 1
        assert cli.main(["analyze", str(project.run_path)]) == run.REFUSED
        assert "run.json is missing or cannot be read\n" in capsys.readouterr().err
        assert cli.main(["export", str(project.run_path), "--format", "llava"]) == run.REFUSED
        assert "there is no run.json that can be read\n" in capsys.readouterr().err
        assert path.read_text() == content


def test_a_run_json_of_an_earlier_or_later_version_opens(project):
    project.finish()
    path = project.run_path / "run.json"
    stored = json.loads(path.read_text())
    del stored["fields"], stored["history"], stored["input"]["revision"]
    path.write_text(json.dumps(stored | {"added_later": 1}))
    assert open_complete(project.run_path).info.started == stored["started"]
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.open().info.started == stored["started"]


def test_restart_empties_the_folder(project, info):
    fill(project.run_path, info)
    (project.run_path / "data").mkdir()
    with open_run(project.run_path, replace(info, models={}), restart=True) as folder:
        assert folder.todo(0) == [0, 1, 2, 3]
        assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "run.lock"]


def test_a_start_that_was_killed_at_its_first_file_leaves_a_run_folder(project, info):
    project.run_path.mkdir(parents=True)
    left = project.run_path / "run.json.0a1b2c3d.tmp"
    left.write_text("{")
    assert todo(project.run_path, info) == [0, 1, 2, 3]
    assert not left.exists()


@pytest.mark.parametrize("restart", [True, False])
def test_a_folder_of_other_things_is_left_alone(project, info, restart):
    project.run_path.mkdir(parents=True)
    (project.run_path / "thesis.tex").touch()
    with (
        pytest.raises(RefusedError, match=r"outputs/try is no run folder \(thesis.tex is in it\)"),
        open_run(project.run_path, info, restart),
    ):
        pass
    assert (project.run_path / "thesis.tex").exists()


def test_a_folder_that_cannot_be_made_is_refused(project, info):
    project.run_path.parent.mkdir()
    project.run_path.touch()
    with (
        pytest.raises(RefusedError, match="cannot write to outputs/try: File exists"),
        open_run(project.run_path, info),
    ):
        pass


HOLD_LOCK = """
import sys, time
from imgdiff.store.files import locked
with open(sys.argv[1], "a+") as file, locked(file) as holder:
    print(holder, flush=True)
    time.sleep(60)
"""


def test_a_folder_in_use_is_refused_until_its_process_dies(project, info):
    project.run_path.mkdir(parents=True)
    command = [sys.executable, "-c", textwrap.dedent(HOLD_LOCK), project.run_path / "run.lock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "None\n"
        with pytest.raises(RefusedError) as error:
            fill(project.run_path, info)
        other.kill()
    assert f"outputs/try is in use by process {other.pid} on {os.uname().nodename} since " in str(
        error.value
    )
    assert str(error.value).endswith(". Wait for it, or choose another export_path.")
    fill(project.run_path, info)


def test_a_holder_that_has_not_written_its_name(project, info):
    project.run_path.mkdir(parents=True)
    with open(project.run_path / "run.lock", "a+") as file, files.locked(file):
        file.truncate(0)
        with pytest.raises(RefusedError, match="in use by another process"):
            fill(project.run_path, info)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(project, monkeypatch):
    path = project.folder / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr(files.os, "fsync", raise_disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert not list(project.folder.glob("*.tmp"))


def raise_disk_full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(project, monkeypatch, capsys):
    assert run.main(["mine.yaml", "limit=12"]) == run.COMPLETE
    written = []

    def put(self, name, content):
        if any(written):
            raise_disk_full()
        written.append(name)
        return store_well(self, name, content)

    store_well = FolderStore.put
    with monkeypatch.context() as full:
        full.setattr(FolderStore, "put", put)
        assert run.main(["mine.yaml"]) == run.STOPPED
    text = capsys.readouterr().err
    assert text.startswith("stopped: no space left on outputs/try (needs about 0.0 GB, ")
    assert text.endswith(" GB free). 3 of 8 shards are safe. Free space and run again.\n")
    assert run.main(["mine.yaml"]) == run.COMPLETE


def test_a_run_stops_before_the_disk_is_full(project, info, monkeypatch):
    with open_run(project.run_path, info) as folder:
        folder.check_space(0)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 10))
        folder.check_space(0)  # nothing measured yet
        folder.write_shard(0, 0, make_rows(folder, 0), [], 1.0)
        with pytest.raises(
            StoppedError, match=r"1 of 8 shards are safe\. Free space and run again\."
        ):
            folder.check_space(0)


def test_rows_of_another_shard_are_not_merged(project, info):
    names = ["one", "two"]
    phases = [
        RunPhase(name=name, columns=columns)
        for name, columns in zip(names, (("caption_a",), ("caption_b", "regions")), strict=True)
    ]
    two = replace(info, phases=tuple(phases), operators=())
    with open_run(project.run_path, two) as folder:
        first, second = make_rows(folder, 0), make_rows(folder, 0)
        for row in second:
            row.values = {"caption_b": "b"}
        second[0].reject("x", "code", "text")
        folder.write_shard(0, 0, first, [], 1.0)
        folder.write_shard(1, 0, second, [], 1.0)
        merged = folder.rows(0)
        assert merged[0].values == {"caption_a": "caption 0", "caption_b": "b"}
        assert merged[0].reason == "x: code"
        assert folder.rows(0, phases=1) == first
        folder.write_shard(1, 0, second[1:], [], 1.0)
        with pytest.raises(StoppedError, match=r"01_two/00000\.\w+\.parquet belongs to other rows"):
            folder.rows(0)


def test_a_phase_is_done_again_when_the_one_before_changed(project, info):
    phases = tuple(RunPhase(name=name, columns=("caption_a",)) for name in ("one", "two"))
    two = replace(info, phases=phases, operators=())
    with open_run(project.run_path, two) as folder:
        for phase in (0, 1):
            folder.write_shard(phase, 0, make_rows(folder, 0), [], 1.0)
        changed = make_rows(folder, 0)
        changed[0]["caption_a"] = "other"
        folder.write_shard(0, 0, changed, [], 1.0)
    with open_run(project.run_path, two) as folder:
        assert 0 not in folder.todo(0)
        assert 0 in folder.todo(1)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 kB, where this user may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no permission to mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_disk_that_is_really_full(project, small_disk, engine, capsys):
    project.run_path = small_disk / "run"
    project.write_captions([{"id": f"cap-{k}", "caption": "a red ball " * 2} for k in range(400)])
    filler = small_disk / "filler"
    filler.write_bytes(bytes(100_000))
    arguments = ["mine.yaml", f"export_path={project.run_path}", f"executor_type={engine}"]
    assert run.main(arguments) == run.STOPPED
    text = capsys.readouterr().err
    assert f"stopped: no space left on {project.run_path}" in text
    assert "shards are safe. Free space and run again." in text
    for manifest in project.run_path.glob("stages/*/*.json"):  # each is whole, and its file too
        named = json.loads(manifest.read_text())
        assert manifest.with_name(named["file"]).stat().st_size == named["bytes"]
    assert not list(project.run_path.rglob("*.tmp"))
