"""What runs in the process of a `ChildWorker`: it is started by that alone, with the number of a
pipe."""

import ctypes
import logging
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from imgdiff.data.rows import Row
from imgdiff.engine.child import Ended, InHand, LogLine, Said, ShardDone
from imgdiff.engine.faults import explained
from imgdiff.engine.shards import Task, Worker
from imgdiff.errors import BrokenDeviceError, StoppedError
from imgdiff.operator import load_same_file
from imgdiff.store.files import is_disk_full

PR_SET_PDEATHSIG = 1  # of Linux


def main(handle: int) -> None:
    """Do the shards that come, until there are no more."""
    _die_with_parent()
    for each in (signal.SIGINT, signal.SIGTERM):  # who asked decides what is still finished
        signal.signal(each, signal.SIG_IGN)
    connection = Connection(handle)
    package = logging.getLogger("imgdiff")
    package.setLevel(logging.INFO)
    package.addHandler(_Sender(connection))
    for name, path, digest in connection.recv():
        if not load_same_file(name, path, digest):
            connection.send(Ended(f"{path} has changed since the run began"))
    task: Task = pickle.loads(connection.recv_bytes())

    def watch(operator: str, rows: Sequence[Row]) -> None:
        connection.send(InHand(operator, len(rows), rows[0].id if rows else ""))

    worker = Worker(task, say=lambda sign: connection.send(Said(sign)), watch=watch)
    watch("", ())  # it is ready
    with suppress(EOFError):
        while True:
            connection.send(_done(worker, *connection.recv()))


def _done(worker: Worker, shard: int, *given: Any) -> ShardDone | Ended:
    try:
        return ShardDone(worker.run(shard, *given))
    except BrokenDeviceError:
        os._exit(1)  # a fresh process may go on; the recovery record says what was in hand
    except StoppedError as error:
        return Ended(str(error))
    except Exception as error:
        if isinstance(error, OSError) and is_disk_full(error):
            return Ended(error.strerror or "", error.errno)
        place = f"{worker.task.phase.name}, shard {shard}"
        return Ended(f"{place}: {explained(error)[1]}")


class _Sender(logging.Handler):
    """Sends lines of the log to the one that asked."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        self._connection.send(LogLine(record.levelno, record.getMessage()))


def _die_with_parent() -> None:
    """Nobody else would end a process that is in the middle of something."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
