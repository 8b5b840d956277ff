"""What a person sees of a run: a bar per phase, or a line per shard; and `run.log`."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console

ENDINGS = ("ok", "rejected", "failed")
PLAIN_WIDTH = 120  # columns of a table that goes to a file or a pipe
log = logging.getLogger("imgdiff")


@dataclass
class _Phase:
    task: bars.TaskID
    shards: int
    done: int
    counts: Counter[str]


class Progress:
    """Follows phases and shards; on a terminal as bars, elsewhere as lines, always in the log."""

    def __init__(self, console: Console) -> None:
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[kept]} kept, {task.fields[refused]} refused"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._phases: dict[str, _Phase] = {}

    def begin_phase(self, name: str, shards: int, done: Sequence[Mapping[str, Any]]) -> None:
        """A phase of `shards` shards, of which those with the manifests `done` are complete.

        Several phases may be under way at once.
        """
        counts: Counter[str] = Counter()
        for manifest in done:
            counts.update(manifest["counts"])
        task = self._bars.add_task(name, total=shards, kept=0, refused=0)
        self._phases[name] = _Phase(task, shards, len(done), counts)
        self._show(name)

    def end_shard(self, name: str, shard: int, manifest: Mapping[str, Any]) -> None:
        """A shard of the phase `name` is stored."""
        phase, counts = self._phases[name], manifest["counts"]
        phase.done += 1
        phase.counts.update(counts)
        self._show(name)
        for row, reason in manifest["ended"].items():
            log.debug("shard %d, row %s: %s", shard, row, reason)
        endings = ", ".join(f"{counts.get(ending, 0)} {ending}" for ending in ENDINGS)
        log.info(
            "%s %d/%d: shard %d, %s, %.1f s",
            *(name, phase.done, phase.shards, shard, endings, manifest["seconds"]),
        )

    def _show(self, name: str) -> None:
        phase = self._phases[name]
        kept = phase.counts["ok"]
        refused = phase.counts.total() - kept
        self._bars.update(phase.task, completed=phase.done, kept=kept, refused=refused)

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short; what the disk is too full for is told elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _ConsoleHandler(logging.Handler):
    """Log lines above the bars, one line each."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), soft_wrap=True)


def make_console() -> Console:
    """A console that prints text as it is: ids and paths may look like markup."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


@contextmanager
def logging_to(path: Path, console: Console) -> Iterator[None]:
    """Send the package's log to `path`, and to the console what the bars do not show."""
    file = _LogFile(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    screen = _ConsoleHandler(console)
    screen.setLevel(logging.WARNING if console.is_terminal else logging.INFO)
    level = log.level
    log.setLevel(logging.DEBUG)
    for handler in (file, screen):
        log.addHandler(handler)
    try:
        yield
    finally:
        log.setLevel(level)
        for handler in (file, screen):
            log.removeHandler(handler)
        file.close()
