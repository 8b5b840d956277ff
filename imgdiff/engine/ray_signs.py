"""Signs of life of Ray's workers, on their way to the process that shows them.

They go through an actor beside that process, as workers may be on other machines. What it says
never holds a worker up, and is lost if it dies.
"""

import time
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from imgdiff.console.progress import Progress
from imgdiff.console.signs import Advanced, LastKept, Sign

LEAST_SECONDS = 0.25  # between two signs of how far a worker is
MOST_WAITING = 10_000  # signs; a driver that hangs must not fill the memory


@ray.remote(num_cpus=0)
class SignBoard:
    """Keeps signs until they are taken."""

    def __init__(self) -> None:
        self._signs: list[Sign] = []

    def put(self, sign: Sign) -> None:
        if len(self._signs) < MOST_WAITING:
            self._signs.append(sign)

    def take(self) -> list[Sign]:
        taken, self._signs = self._signs, []
        return taken


def make_board() -> Any:
    """A board on this machine."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return SignBoard.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]


class Sender:
    """What a worker says its signs to. Of the many that tell how far it is it passes on a few."""

    def __init__(self, board: Any) -> None:
        self._board, self._sent = board, 0.0

    def __call__(self, sign: Sign) -> None:
        if isinstance(sign, Advanced | LastKept):
            if isinstance(sign, Advanced) and time.monotonic() - self._sent < LEAST_SECONDS:
                return
            self._sent = time.monotonic()
        self._board.put.remote(sign)


def show(board: Any, progress: Progress) -> None:
    """Pass on what has been said since the last look."""
    try:
        signs = ray.get(board.take.remote())
    except RayError:  # they are for people, and worth no run
        return
    for sign in signs:
        progress.say(sign)
