import io

from rich.console import Console

from imgdiff.console.progress import Progress, logging_to

MANIFEST = {
    "counts": {"ok": 5, "rejected": 2, "failed": 1},
    "ended": {"cap-3": "light_length_filter: caption_short"},
    "seconds": 1.0,
}


def follow(project, terminal):
    """What the console shows of a phase of two shards, one of them done before."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120)
    with logging_to(project.folder / "run.log", console), Progress(console) as progress:
        progress.begin_phase("image_pairs", 2, [MANIFEST])
        progress.end_shard("image_pairs", 1, MANIFEST)
    return screen.getvalue()


def test_a_terminal_shows_a_bar_per_phase(project):
    shown = follow(project, terminal=True)
    assert "image_pairs" in shown
    assert "2/2" in shown
    assert "10 kept, 6 refused" in shown
    assert "shard 1" not in shown


def test_elsewhere_a_shard_is_a_line(project):
    line = "image_pairs 2/2: shard 1, 5 ok, 2 rejected, 1 failed, 1.0 s\n"
    assert follow(project, terminal=False) == line
    assert (project.folder / "run.log").read_text().endswith(f"INFO {line}")
