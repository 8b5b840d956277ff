"""Ctrl-C that lets work in hand be finished, if that does not take long."""

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgdiff.errors import STOPPED

PATIENCE = 10.0  # seconds that work in hand gets after the first signal
AT_ONCE = 3.0  # seconds in which a process must have ended after the second
SIGNALS = (signal.SIGINT, signal.SIGTERM)
log = logging.getLogger("imgdiff.run")


@contextmanager
def stop_on_signals(work: str, patience: float = PATIENCE) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets. The second one, or the end of patience,
    interrupts whatever is done; a process that does not let itself be interrupted is ended.

    work: what is finished first, in words. patience: seconds for it, infinity too.
    """
    stop, over = threading.Event(), threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals go to the main thread, which is not ours to interrupt
        return
    said = f", {patience:g} s at most" if patience < threading.TIMEOUT_MAX else ""

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log.warning("stopping after %s%s; once more stops at once", work, said)

    def watch(main: int) -> None:
        """Signals come here even where the main thread is busy in a library."""
        if not _comes(reading, over, threading.TIMEOUT_MAX):
            return
        if not _comes(reading, over, patience) and not over.is_set():
            signal.pthread_kill(main, signal.SIGINT)
        if not over.wait(AT_ONCE) and not hasattr(sys, "ps1"):  # a notebook's process goes on
            print("stopped at once. Run again to resume.", file=sys.stderr, flush=True)
            os._exit(STOPPED)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watching = threading.Thread(target=watch, args=[threading.get_ident()], daemon=True)
    watching.start()
    before = {each: signal.getsignal(each) for each in SIGNALS}
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for each in before:
        signal.signal(each, handle)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(woken)
        over.set()
        os.close(writing)  # which ends the watching
        watching.join()
        os.close(reading)


def _comes(reading: int, over: threading.Event, seconds: float) -> bool:
    """Whether a signal to stop comes in time; others have handlers, too."""
    until = time.monotonic() + seconds
    while not over.is_set() and (left := until - time.monotonic()) > 0:
        if select.select([reading], [], [], min(left, threading.TIMEOUT_MAX))[0]:
            number = os.read(reading, 1)
            if number and number[0] in SIGNALS:
                return True
    return False
