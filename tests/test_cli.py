import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgdiff import __version__, cli, run

ROOT = Path(__file__).parents[1]
SLOW = ("numpy", "PIL", "rich", "jinja2", "pyarrow", "httpx", "huggingface_hub", "tenacity")
HEAVY = ("torch", "torchvision", "transformers", "diffusers", "datasets", "ray", "cv2")


def test_a_run_prints_lines_and_a_table(project, capsys):
    assert cli.main(["run", "mine.yaml"]) == run.COMPLETE
    output = capsys.readouterr().out
    assert "extra 4/4: shard 3, 4 ok, 2 rejected, 0 failed" in output
    table = [line.split() for line in output.splitlines() if "rows" in line or "regions" in line]
    assert ["input", "rows", "30", "30"] in table
    assert any(words[:4] == ["light_length_filter", "rows", "30", "22"] for words in table)
    assert "8 caption_short" in output
    assert "22 width_out_of_range" in output
    assert "30 rows: 22 ok, 8 rejected, 0 failed;" in output
    assert output.rstrip().endswith("outputs/try/report.html")


def test_a_range_that_keeps_nothing_is_pointed_out(project, capsys):
    assert run.main(["mine.yaml", "light_length_filter.min_score=0.9"]) == run.COMPLETE
    assert (
        "0 of 30 pairs passed light_length_filter (scores 0.10 to 0.43, wanted 0.90 to 1.00)\n"
        "Limits that fit the models are found by: imgdiff calibrate outputs/try\n"
        in capsys.readouterr().out
    )


def test_areas_that_keep_nothing_are_pointed_out(project, capsys):
    run.main(["mine.yaml", "light_area_filter.min_score=0.99"])
    assert "areas passed light_area_filter (scores 0.08 to " in capsys.readouterr().out


def test_columns_that_are_not_used_are_named(project, capsys):
    project.write_captions([{"id": "a", "caption": "a red ball here", "note": 1, "tag": 2}])
    run.main(["mine.yaml"])
    assert "captions.jsonl: columns not used: note, tag" in capsys.readouterr().out


def test_too_many_failures_have_their_own_exit_code(project, capsys):
    project.write_captions([{"caption": "bad"}, {"caption": "a red ball here"}])
    assert run.main(["mine.yaml"]) == run.TOO_MANY_FAILED
    assert capsys.readouterr().err == (
        "1 of 2 rows failed, limits.max_failed_fraction is 0.02. See outputs/try/dropped.\n"
    )
    assert run.main(["mine.yaml", "limits.max_failed_fraction=0.5", "--restart"]) == run.COMPLETE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.yaml"], "none.yaml: no such recipe"),
        (["mine.yaml", "sed=1"], "command line, sed: no such setting"),
        (["mine.yaml", "limit=0"], "mine.yaml: 1 problem\n  command line, limit: 0 is below 1"),
    ],
)
def test_refusals_have_their_own_exit_code(project, capsys, arguments, message):
    assert run.main(arguments) == run.REFUSED
    assert message in capsys.readouterr().err
    assert not project.run_path.exists()


def test_repeated_ids_are_refused_before_the_run(project, capsys):
    project.write_captions([{"id": "a", "caption": "a ball"}] * 2)
    assert run.main(["mine.yaml"]) == run.REFUSED
    assert 'id "a" appears on lines 1 and 2' in capsys.readouterr().err
    assert not project.run_path.exists()


def test_a_dry_run_prints_the_plan_and_writes_nothing(project, capsys):
    assert run.main(["mine.yaml", "--dry-run", "limit=20"]) == run.COMPLETE
    output = capsys.readouterr().out
    words = [line.split() for line in output.splitlines()]
    assert ["extra", "light_edit_mapper", "caption_a", "caption_b"] in words
    assert ["light_image_mapper", "caption_a,", "caption_b", "image_a,", "image_b"] in words
    assert "20 rows of captions.jsonl in 3 shards of 8" in output
    assert "outputs/try: at most 0.1 GB at 1024 x 1024 pixels (40 images), " in output
    assert not project.run_path.exists()


def test_check_reports_each_recipe(project, capsys):
    assert cli.main(["check", "mine.yaml"]) == run.COMPLETE
    assert capsys.readouterr().out == "mine.yaml: fine, 5 operators\n"
    assert cli.main(["check", "none.yaml", "mine.yaml"]) == run.REFUSED
    printed = capsys.readouterr()
    assert printed.err == "none.yaml: no such recipe\n"
    assert printed.out == "mine.yaml: fine, 5 operators\n"


def test_check_takes_overrides_for_every_recipe(project, capsys):
    other = project.write_recipe(project_name="other").rename("other.yaml")
    project.write_recipe()
    assert cli.main(["check", "mine.yaml", str(other), "limit=0"]) == run.REFUSED
    problem = "1 problem\n  command line, limit: 0 is below 1\n"
    assert capsys.readouterr().err == f"mine.yaml: {problem}other.yaml: {problem}"
    assert cli.main(["check", "light_area_filter=off", "mine.yaml"]) == run.COMPLETE
    assert capsys.readouterr().out == "mine.yaml: fine, 4 operators\n"
    Path("found.txt").write_text("limit=0\n")
    assert cli.main(["check", "mine.yaml", "@found.txt"]) == run.REFUSED
    assert capsys.readouterr().err == f"mine.yaml: {problem}"
    assert run.main(["mine.yaml", "--dry-run", "@found.txt"]) == run.REFUSED
    assert capsys.readouterr().err == f"mine.yaml: {problem}"
    other.rename("a=b.yaml")
    assert cli.main(["check", "a=b.yaml"]) == run.COMPLETE
    assert capsys.readouterr().out == "a=b.yaml: fine, 5 operators\n"
    with pytest.raises(SystemExit, match="2"):
        cli.main(["check", "limit=3"])
    assert "expected a RECIPE" in capsys.readouterr().err


def test_imgdiff_alone_prints_its_help(capsys):
    assert cli.main([]) == run.COMPLETE
    told = capsys.readouterr().out
    assert all(f"\n    {verb} " in told for verb in cli.VERBS)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"imgdiff {__version__}\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["chek"], "invalid choice: 'chek' (choose from"),
        (["--limit"], "the following arguments are required: VERB"),
        (["--"], "the following arguments are required: VERB"),
    ],
)
def test_what_is_no_verb(given, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(given)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([verb, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: imgdiff {verb} ")


def test_one_operator_is_described(light, capsys):
    assert cli.main(["operators", "light_edit_mapper"]) == run.COMPLETE
    assert capsys.readouterr().out == (
        "light_edit_mapper\n"
        "  Write caption_b: caption_a with a suffix; the caption `bad` breaks it, `deadly` kills.\n"
        "  reads: caption_a\n"
        "  writes: caption_b\n"
        "    batch_size: integer, at least 1, at most 4096, default 16, rows handed over at once\n"
        "    seconds: number, at least 0, at most 1, default 0.0, to sleep, per row\n"
        "    suffix: string, default !, put behind the caption\n"
    )


def test_every_operator_is_described(light, capsys):
    assert cli.main(["operators"]) == run.COMPLETE
    output = capsys.readouterr().out
    assert all(f"\n{name}\n" in f"\n{output}" for name in light)
    assert "  scores: area_width\n" in output
    assert "  steps: light_area_mapper, light_area_filter" in output


def test_an_unknown_operator_is_named(light, capsys):
    assert cli.main(["operators", "light_edit_maper"]) == run.REFUSED
    assert capsys.readouterr().err == (
        "light_edit_maper: unknown operator. Did you mean light_edit_mapper?\n"
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "mine.yaml"], ["run", "--help"], ["operators"]]
)
def test_answers_come_without_a_model_library(project, arguments):
    code = (
        "import sys\n"
        "from imgdiff.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    before = os.times().children_user
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")
    assert os.times().children_user - before < 4  # of the CPU, however busy: it takes about one


@pytest.mark.parametrize("given", ["'--help'", "'check', *RECIPES", "'operators'"])
def test_a_check_costs_little_more_than_pydantic(given):
    """Counted in modules: seconds differ with the machine and what else runs on it."""
    code = (
        "import sys\n"
        "from imgdiff.cli import main\n"
        f"RECIPES = {sorted(map(str, (ROOT / 'recipes').glob('*.yaml')))}\n"
        "try:\n"
        f"    main([{given}])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print(sorted(set({HEAVY + SLOW}) & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("\n[]\n")


def test_a_pipe_that_is_closed_ends_in_silence():
    command = [sys.executable, "-m", "imgdiff", "operators"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as told:
        told.stdout.close()
        assert told.stderr.read() == b""
    assert told.returncode == run.STOPPED


@pytest.mark.parametrize("module", ["imgdiff", "imgdiff.run"])
def test_modules_can_be_run(module):
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage: " in done.stdout
