"""Ctrl-C that lets work in hand be finished."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("imgdiff.run")


@contextmanager
def stop_on_signals(work: str) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; the second one stops at once.

    work: what is finished first, in words.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals go to the main thread, which is not ours to interrupt
        return

    def first(number: int, frame: FrameType | None) -> None:
        stop.set()
        for each in before:
            signal.signal(each, signal.default_int_handler)
        log.warning("stopping after %s; once more stops at once", work)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, first)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
