"""A worker in a process of its own, which may die or be ended without the one that asks for it.

Used where `limits.max_row_seconds` is set, and for a shard at which a worker has died. What is said
between the two processes is said here: shards go there, what is in hand and what came of it come
back.
"""

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from imgdiff.console.signs import Say, Sign, silent
from imgdiff.data.input import InputPart
from imgdiff.engine.shards import Task
from imgdiff.errors import StoppedError
from imgdiff.operator import file_digest_of
from imgdiff.store.shard_files import Manifest

ENDS_IN = 5.0  # seconds that a process gets to end
log = logging.getLogger(__name__)


class InHand(NamedTuple):
    """What an operator works on. row: the id of the first one; rows: how many."""

    operator: str
    rows: int
    row: str = ""


class LogLine(NamedTuple):
    """A line for the log."""

    level: int
    text: str


class Said(NamedTuple):
    """A sign of life, for the screen."""

    sign: Sign


class ShardDone(NamedTuple):
    """The shard is done."""

    manifest: Manifest


class Ended(NamedTuple):
    """It ended early. errno: of a disk that is full."""

    text: str
    errno: int | None = None


class _TooSlowError(Exception):
    """An operator has taken longer than it may."""


class ChildWorker:
    """Does shards of one phase, as a `Worker` does, in another process. That begins with the first
    shard, and anew after a death."""

    def __init__(
        self, task: Task, dumps: Callable[[Task], bytes] = pickle.dumps, say: Say = silent
    ) -> None:
        """dumps: with operators of files outside the package by value; else these are loaded from
        the files again. say: called with every sign of life."""
        self.task, self._say = task, say
        by_value = dumps is not pickle.dumps
        self._files = [] if by_value else _operator_files(task)
        self._content = dumps(task)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._hand = InHand("", 0)

    def run(self, shard: int, part: InputPart) -> Manifest:
        """Take a shard through the phase and store it, in as many attempts as it takes.

        Raises:
            StoppedError, OSError: as of `Worker.run`.
        """
        too_slow: dict[str, str] = {}
        name = f"{self.task.phase.name}, shard {shard}"
        while True:
            try:
                return self._ask(shard, part, too_slow)
            except EOFError:
                self._end(name)
                log.warning("%s: its worker died; attempt %d", name, self._attempt(shard))
            except _TooSlowError:
                operator, count, row = self._hand
                if count == 1:
                    too_slow[row] = operator
                what = f"row {row}" if count == 1 else f"{count} rows"
                log.warning("%s: %s takes too long for %s", name, operator, what)
                self._end(name)

    def close(self) -> None:
        """Let the process end."""
        if self._connection:
            self._connection.close()
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_IN)
        self._end(self.task.phase.name)

    def _attempt(self, shard: int) -> int:
        return self.task.record(shard).attempt

    def _ask(self, shard: int, part: InputPart, too_slow: dict[str, str]) -> Manifest:
        """Have one attempt made.

        Raises:
            EOFError: the process died. _TooSlowError: it has to be ended.
        """
        connection = self._connection or self._begin()
        self._hand = InHand("", 0)
        try:
            connection.send((shard, part, too_slow))
            while True:
                match self._next(connection):
                    case InHand() as hand:
                        self._hand = hand
                    case LogLine(level, text):
                        log.log(level, "%s", text)
                    case Said(sign):
                        self._say(sign)
                    case ShardDone(manifest):
                        return manifest
                    case Ended(text, None):
                        raise StoppedError(text)
                    case Ended(text, errno):
                        raise OSError(errno, text)
        except ConnectionError:
            raise EOFError from None

    def _next(self, connection: Connection) -> Any:
        """What the process says next; it has so long as the rows in hand may take."""
        limit, count = self.task.row_seconds, self._hand.rows
        if limit and count and not connection.poll(limit * count):
            raise _TooSlowError
        return connection.recv()

    def _begin(self) -> Connection:
        here, there = Pipe()
        paths = [path for path in sys.path if path]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "imgdiff.engine.child_process", str(there.fileno())],
            pass_fds=[there.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C is for the one that asks
        )
        there.close()
        self._connection = here
        here.send(self._files)
        here.send_bytes(self._content)
        try:
            answer = here.recv()
        except EOFError:
            raise StoppedError(f"{self.task.phase.name}: its worker cannot be started") from None
        if isinstance(answer, Ended):
            raise StoppedError(answer.text)
        return here

    def _end(self, name: str) -> None:
        """End the process; one that does not end is left behind."""
        process, self._process = self._process, None
        if self._connection:
            self._connection.close()
            self._connection = None
        if process is None or process.poll() is not None:
            return
        process.kill()
        try:
            process.wait(ENDS_IN)
        except subprocess.TimeoutExpired:
            text = "%s: process %d cannot be ended: it is stuck in the kernel, and left behind"
            log.warning(text, name, process.pid)


def _operator_files(task: Task) -> list[tuple[str, str, str]]:
    """Of each file outside the package that the operators stand in: name of the module, path and
    SHA-256."""
    found = set()
    for operator in task.phase.operators:
        cls = type(operator)
        if digest := file_digest_of(cls):
            found.add((cls.__module__, str(sys.modules[cls.__module__].__file__), digest))
    return sorted(found)
