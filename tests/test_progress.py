"""What a run shows of itself while it is at it."""

import io
import re
from pathlib import Path

from rich.console import Console

from imgdiff import run
from imgdiff.console import phase, progress
from imgdiff.console.progress import Progress, logging_to
from imgdiff.console.signs import Advanced, Failed, LastKept, Loading

MANIFEST = {
    "counts": {"ok": 5, "rejected": 2, "failed": 1},
    "ended": {"cap-3": "light_length_filter: caption_short"},
    "seconds": 1.0,
}
FRAME = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
FRAGILE = """
from imgdiff.operator import Mapper, register


@register("fragile_mapper")
class Fragile(Mapper):
    def process(self, rows):
        for row in rows:
            words = len(row["caption_a"].split())
            if words == 3:
                raise ValueError(f"no three words, {row.id}")
            if words == 6:
                raise KeyError(row.id)
"""


def follow(project, terminal, signs=(), end=True):
    """What the console shows of a phase of two shards, one of them done before."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=80)
    with logging_to(project.folder / "run.log", console), Progress(console) as shown:
        shown.begin_phase("image_pairs", 2, 16, [MANIFEST])
        for sign in signs:
            shown.say(sign)
        if end:
            shown.end_shard("image_pairs", 1, MANIFEST)
        else:
            shown._bars.refresh()
    return FRAME.sub("", screen.getvalue())


def test_a_terminal_shows_a_bar_per_phase(project):
    shown = follow(project, terminal=True)
    assert "image_pairs" in shown
    assert "16/16" in shown
    assert "10 kept, 4 refused, 2 failed" in shown
    assert "shard 1" not in shown


def test_a_bar_moves_with_the_rows_of_a_shard(project, monkeypatch):
    monkeypatch.setattr(phase, "LEAST_SECONDS", 0.0)
    signs = [
        Advanced("image_pairs", 1, 8, 0.0, "light_edit_mapper", 0, 8),
        Failed("image_pairs", 1, "cap-9", "light_edit_mapper: caption_bad", "it is bad"),
        Advanced("image_pairs", 1, 8, 0.5, "light_edit_mapper", 4, 8),
        LastKept("cap-11", "car → boat"),
    ]
    shown = follow(project, terminal=True, signs=signs, end=False)
    assert "12/16" in shown
    assert "5 kept, 2 refused, 2 failed" in shown
    assert "shard 1: 4 of 8 rows through light_edit_mapper" in shown
    assert re.search(r"rows a second, \d.* so far, about .* left", shown)
    assert "last kept: cap-11: car → boat" in shown
    assert "row cap-9 failed: light_edit_mapper: caption_bad: it is bad" in shown


def test_elsewhere_a_shard_is_a_line(project):
    line = "image_pairs 2/2: shard 1, 5 ok, 2 rejected, 1 failed, 1.0 s\n"
    assert follow(project, terminal=False) == line
    assert (project.folder / "run.log").read_text().endswith(f"INFO {line}")


def test_a_model_is_told_once_where_it_is_loaded_and_as_it_comes_on_a_terminal(project):
    signs = [Loading("mllm", "a/b", 2_000_000_000, here) for here in (0, 1_500_000_000)]
    assert "downloading mllm: a/b, 1.5 of 2.0 GB" in follow(project, True, signs, end=False)
    plain = follow(project, False, [*signs, Loading("clip", "c/d")])
    assert plain.startswith("downloading mllm: a/b, 0.0 of 2.0 GB\nloading clip: c/d\nimage_pairs")


def test_silence_is_broken_by_how_far_a_run_is(project, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(phase, "LEAST_SECONDS", 0.0)
    slowly = ["light_edit_mapper.seconds=0.03", "light_edit_mapper.batch_size=1"]
    assert run.main(["mine.yaml", *slowly]) == run.COMPLETE
    said = capsys.readouterr().out
    far = r"extra: \d+ of 30 rows; shard \d: \d of 8 rows through light_edit_mapper; "
    assert re.search(far + r".* rows a second, .* so far, about .* left", said)
    assert re.search(r"^extra: .*; last kept: cap-\d+: (a red ball ?)+!$", said, re.MULTILINE)
    assert re.search(r"^writing report.html, .* so far$", said, re.MULTILINE)
    assert re.search(far, (project.run_path / "run.log").read_text())


def test_the_first_message_of_each_kind_of_failure_is_seen(project, capsys):
    Path("fragile.py").write_text(FRAGILE)
    bad = [{"id": "odd", "caption": "bad"}, {"id": "odder", "caption": "bad"}]
    rows = [{"id": f"cap-{k}", "caption": "a red ball " * (k % 4 + 1)} for k in range(30)]
    project.write_captions([*rows, *bad])
    project.write_recipe(
        operators=[*project.settings["operators"], "fragile.py"],
        limits={"max_failed_fraction": 1.0},
        process=["light_edit_mapper", "fragile_mapper"],
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("row ")]
    assert told == [
        "row cap-0 failed: fragile_mapper: operator_error: ValueError: no three words, cap-0",
        "row cap-1 failed: fragile_mapper: operator_error: KeyError: 'cap-1'",
        "row odd failed: light_edit_mapper: caption_bad: this caption is bad",
    ]
    first_shard = next(k for k, line in enumerate(lines) if line.startswith("extra 1/4"))
    assert lines.index(told[0]) < first_shard  # before the shard is stored


def test_a_row_that_cannot_be_read_is_seen_at_once(project, capsys):
    project.write_captions(["not JSON", {"id": "good", "caption": "a red ball"}])
    project.write_recipe(limits={"max_failed_fraction": 1.0}, process=["light_edit_mapper"])
    assert run.main(["mine.yaml"]) == run.COMPLETE
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("row ")
    assert " failed: " in first
