"""What a person sees of a run: a bar per phase, or a line per shard; and `run.log`."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console

from imgdiff.rows import Row

ENDINGS = ("ok", "rejected", "failed")
PLAIN_WIDTH = 120  # columns of a table that goes to a file or a pipe
log = logging.getLogger("imgdiff")


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
        self._task = bars.TaskID(0)
        self._phase, self._shards, self._done = "", 0, 0
        self._counts: Counter[str] = Counter()

    def begin_phase(self, name: str, shards: int, done: Sequence[Mapping[str, Any]]) -> None:
        """A phase of `shards` shards, of which those with the manifests `done` are complete."""
        self._phase, self._shards, self._done = name, shards, len(done)
        self._counts = Counter()
        for manifest in done:
            self._counts.update(manifest["counts"])
        kept, refused = self._kept_and_refused()
        self._task = self._bars.add_task(
            name, total=shards, completed=len(done), kept=kept, refused=refused
        )

    def end_shard(self, shard: int, rows: Iterable[Row], manifest: Mapping[str, Any]) -> None:
        """A shard of the phase is stored."""
        counts, took = manifest["counts"], manifest["seconds"]
        self._done += 1
        self._counts.update(counts)
        kept, refused = self._kept_and_refused()
        self._bars.update(self._task, completed=self._done, kept=kept, refused=refused)
        for row in rows:
            if not row.ok:
                log.debug("shard %d, row %s: %s (%s)", shard, row.id, row.status, row.reason)
        endings = ", ".join(f"{counts.get(name, 0)} {name}" for name in ENDINGS)
        log.info(
            "%s %d/%d: shard %d, %s, %.1f s",
            *(self._phase, self._done, self._shards, shard, endings, took),
        )

    def _kept_and_refused(self) -> tuple[int, int]:
        kept = self._counts["ok"]
        return kept, self._counts.total() - kept

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


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
    file = logging.FileHandler(path, encoding="utf-8")
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
