"""What a person sees of a run: bars on a terminal, elsewhere lines; and `run.log`."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console, RenderableType
from rich.text import Text

from imgdiff.console.durations import duration
from imgdiff.console.phase import PhaseProgress
from imgdiff.console.signs import Advanced, Doing, Failed, LastKept, Loading, Sign

ENDINGS = ("ok", "rejected", "failed")
PLAIN_WIDTH = 120  # columns of a table that goes to a file or a pipe
SILENCE = 10.0  # seconds without a line, after which one says how far the run is
LOOK_SECONDS = 0.25
log = logging.getLogger("imgdiff")


class Progress:
    """Follows phases, shards and what lies between them; on a terminal as bars, elsewhere as lines
    where there would be silence, always in the log. Any thread may say something."""

    def __init__(self, console: Console) -> None:
        self._phases: dict[str, tuple[PhaseProgress, bars.TaskID]] = {}
        self._doing, self._kept = "", ""
        self._subject, self._since = "", 0.0  # of what is done, which may say more as it goes on
        self._told: set[str] = set()  # models that were loaded, and kinds of failures
        self._lock, self._over = threading.RLock(), threading.Event()
        self._heard = _LastHeard()
        self._ticker = threading.Thread(target=self._break_silence, daemon=True)
        self._bars = _Bars(self, console)  # which asks at once for what there is

    def begin_phase(
        self, name: str, shards: int, rows: int, done: Sequence[Mapping[str, Any]]
    ) -> None:
        """A phase of `shards` shards with `rows` rows in all, of which those with the manifests
        `done` are complete.

        Several phases may be under way at once.
        """
        task = self._bars.add_task(name, total=rows, endings="")
        with self._lock:
            self._phases[name] = PhaseProgress(name, shards, rows, done), task

    def say(self, sign: Sign) -> None:
        """Take note of a sign of life."""
        with self._lock:
            level, text = self._note(sign)
        if text:  # written without the lock, for which whoever draws the bars may be waiting
            log.log(level, "%s", text)

    def _note(self, sign: Sign) -> tuple[int, str]:
        """Remember it; returns what is to be written of it, if anything, and how urgent that is."""
        match sign:
            case Advanced():
                self._doing = ""
                self._phases[sign.phase][0].advance(sign)
            case LastKept():
                self._kept = f"{sign.row}: {sign.words}" if sign.words else sign.row
            case Failed():
                self._phases[sign.phase][0].fail(sign.shard)
                if self._is_first(_kind(sign)):
                    text = f"row {sign.row} failed: {sign.reason}: {sign.message}"
                    return logging.WARNING, text
            case Loading():
                subject = f"{sign.role} {sign.name}"
                self._do(subject, _loading(sign))
                if self._is_first(subject):
                    return logging.INFO, self._doing
            case Doing():
                self._do(sign.what, sign.what)  # often over in a moment: only silence tells of it
        return logging.INFO, ""

    def _do(self, subject: str, what: str) -> None:
        if not self._doing or subject != self._subject:
            self._subject, self._since = subject, time.monotonic()
        self._doing = what

    def _is_first(self, told: str) -> bool:
        is_first = told not in self._told
        self._told.add(told)
        return is_first

    def end_shard(self, name: str, shard: int, manifest: Mapping[str, Any]) -> None:
        """A shard of the phase `name` is stored."""
        counts = manifest["counts"]
        with self._lock:
            phase, _ = self._phases[name]
            phase.end_shard(shard, counts)
            pace = "" if phase.is_complete else phase.pace
        for row, reason in manifest["ended"].items():
            log.debug("shard %d, row %s: %s", shard, row, reason)
        endings = ", ".join(f"{counts.get(ending, 0)} {ending}" for ending in ENDINGS)
        log.info(
            "%s %d/%d: shard %d, %s, %.1f s%s",
            *(name, phase.done, phase.shards, shard, endings, manifest["seconds"]),
            f"; {pace}" if pace else "",
        )

    def refresh(self) -> None:
        """Bring the bars to what is known."""
        with self._lock:
            known = [
                (task, each.rows_through, each.endings) for each, task in self._phases.values()
            ]
        for task, through, endings in known:
            self._bars.update(task, completed=through, endings=endings)

    def status(self) -> list[str]:
        """What stands below the bars, a line each."""
        with self._lock:
            phases = [each for each, _ in self._phases.values() if not each.is_complete]
            lines = [line for each in phases for line in (each.in_hand, each.pace) if line]
            kept = f"last kept: {self._kept}" if self._kept else ""
            return [*lines, *filter(None, [self._doing_now, kept])]

    @property
    def _doing_now(self) -> str:
        """What is done, and for how long; empty if a phase is all there is."""
        spent = duration(time.monotonic() - self._since)
        return f"{self._doing}, {spent} so far" if self._doing else ""

    def _break_silence(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if time.monotonic() - self._heard.at >= SILENCE:
                for line in self._lines():
                    log.info("%s", line)

    def _lines(self) -> list[str]:
        """How far everything is that is under way."""
        with self._lock:
            lines = [each.line for each, _ in self._phases.values() if not each.is_complete]
            if self._doing:
                return [self._doing_now, *lines]
            if lines and self._kept:
                lines[-1] += f"; last kept: {self._kept}"
            return lines

    def __enter__(self) -> "Progress":
        log.addHandler(self._heard)
        self._bars.start()
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._ticker.join()
        with self._lock:
            self._doing, self._kept = "", ""  # the bars stay on the screen, without a present
        self._bars.stop()
        log.removeHandler(self._heard)


def _kind(failed: Failed) -> str:
    """What failures have in common: the reason, and of an operator's error its class."""
    error = failed.message.partition(":")[0] if failed.reason.endswith("operator_error") else ""
    return f"{failed.reason} {error}"


def _loading(sign: Loading) -> str:
    if not sign.missing:
        return f"loading {sign.role}: {sign.name}"
    size, unit = (1e9, "GB") if sign.missing >= 1e9 else (1e6, "MB")
    came = f"{min(sign.here, sign.missing) / size:.1f} of {sign.missing / size:.1f} {unit}"
    return f"downloading {sign.role}: {sign.name}, {came}"


class _Bars(bars.Progress):
    """A bar for each phase, and below them what is at work."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        super().__init__(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[endings]}"),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        self._progress.refresh()
        yield from super().get_renderables()
        for line in self._progress.status():
            yield Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis")


class _LastHeard(logging.Handler):
    """Remembers when a line was last written that a person without a terminal sees."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.at = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        self.at = time.monotonic()


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
