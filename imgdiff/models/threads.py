"""The same thing done to many items by several threads, which Ctrl-C does not have to wait for."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def in_threads(act: Callable[[_Given], _Made], items: Sequence[_Given], most: int) -> list[_Made]:
    """What `act` gives for each item, in order, at most so many at once.

    Where it raises, no more are begun, those in hand are waited for, and the error of the first of
    the failed items is raised. An interruption is waited for by nothing: the threads of an executor
    would keep the interpreter from ending.
    """
    todo: SimpleQueue[tuple[int, _Given]] = SimpleQueue()
    ended: SimpleQueue[Any] = SimpleQueue()  # place, result, error; None where a thread ends
    stop = threading.Event()
    for numbered in enumerate(items):
        todo.put(numbered)

    def work() -> None:
        with suppress(Empty):
            while not stop.is_set():
                place, item = todo.get_nowait()
                try:
                    ended.put((place, act(item), None))
                except BaseException as error:
                    stop.set()
                    ended.put((place, None, error))
        ended.put(None)

    count = min(most, len(items))
    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, _Made] = {}
    errors: dict[int, BaseException] = {}
    try:
        while count:
            if (end := ended.get()) is None:
                count -= 1
            elif end[2] is not None:
                errors[end[0]] = end[2]
            else:
                results[end[0]] = end[1]
    finally:
        stop.set()
    if errors:
        raise errors[min(errors)]
    return [results[place] for place in range(len(items))]
