"""What a worker has in hand, stored, so that after a death the right row is blamed, and it alone.

The first death of a worker at a shard says only that something in it may kill; from then on its
rows are taken one by one. A row is blamed after two deaths while it was alone in hand: one may have
come from outside. A death that the driver or the machine shared counts for no row: who kills these
(a scheduler, a time limit, the lack of memory, a person) kills whatever is in hand.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from imgdiff.errors import BrokenDeviceError, StoppedError
from imgdiff.store.interface import Store, json_of

BLAMED_AFTER = 2  # deaths with one row alone in hand
TRIES = 3  # deaths without a row in hand, after which the run stops
SHARD, LOADING = "shard", "loading"


def forgive(store: Store, name: str, lost: Collection[str]) -> None:
    """Where the worker that left a record died with its machine, no row is to blame.

    lost: machines that are gone.
    """
    left = json_of(store, name)
    if left and left.get("node") in lost:
        store.replace(name, json.dumps(left | {"start": None}).encode(), durable=False)


class RecoveryRecord:
    """A note on one shard in one phase: there from the first touch until the shard is stored.

    attempt: counts from 1. careful: whether a worker has died at this shard. blamed: row id -> the
    operator that was at work when it killed its worker. Nothing here waits for the disk: when the
    whole machine dies, no row is to blame.
    """

    def __init__(self, store: Store, name: str, start: str = "", node: str = "") -> None:
        """start: of the driver, each time another one: who died with it is not to blame. node: the
        machine of a cluster."""
        self._store, self._name = store, name
        self._here = {"start": start, "node": node}
        left = json_of(store, name) or {}
        self.attempt: int = left.get("attempt", 0) + 1
        self.careful: bool = left.get("careful", False)
        self.blamed: dict[str, str] = left.get("blamed", {})
        self._alone: dict[str, int] = left.get("alone", {})  # row id -> deaths with it in hand
        self._loads: int = left.get("loads", 0)
        self._rowless: int = left.get("rowless", 0)  # deaths at a careful shard without a row
        self._note_death(left.get("in_hand"), is_shared=left.get("start", start) != start)

    def _note_death(self, in_hand: Any, is_shared: bool) -> None:
        match in_hand:
            case "loading":
                self._loads += 1
            case "shard":
                self._rowless += self.careful and not is_shared
                self.careful, self._loads = True, 0
            case {"row": row, "operator": operator}:
                self.careful, self._loads = True, 0
                self._alone[row] = self._alone.get(row, 0) + (not is_shared)
                if self._alone[row] >= BLAMED_AFTER:
                    self.blamed[row] = operator

    @property
    def suspects(self) -> list[str]:
        """Ids of rows that were alone in hand when a worker died, and are not blamed: they come
        first, so that a second death is theirs, or they are cleared."""
        return [row for row in self._alone if row not in self.blamed]

    @contextmanager
    def loading(self, phase: str) -> Iterator[None]:
        """Around the loading of models.

        Raises:
            StoppedError: several workers in a row died while they loaded them.
        """
        self._refuse_more(self._loads, phase, "while it loaded its models")
        with self._holding(LOADING):
            yield
        self._write(SHARD)

    @contextmanager
    def shard(self) -> Iterator[None]:
        """Around all that is done with the shard.

        Raises:
            StoppedError: several workers died though they had no single row in hand.
        """
        self._refuse_more(self._rowless, self._name.rpartition(".")[0], "with no row in hand")
        with self._holding(SHARD):
            yield

    def _refuse_more(self, deaths: int, where: str, when: str) -> None:
        if deaths >= TRIES:
            self.clear()  # another try is the user's to make
            text = f"{where}: the worker died {deaths} times {when}. Is there memory enough for it?"
            raise StoppedError(text)

    @contextmanager
    def row(self, row: str, operator: str) -> Iterator[None]:
        """Around one operator's work on one row alone."""
        with self._holding({"row": row, "operator": operator}):
            yield
        self._write(SHARD)

    def clear(self) -> None:
        """The shard is stored."""
        self._store.delete(self._name)

    @contextmanager
    def _holding(self, what: str | dict[str, str]) -> Iterator[None]:
        self._write(what)
        try:
            yield
        except BrokenDeviceError:  # as good as a death: a fresh process must go on
            raise
        except BaseException:  # no death: an error ends the run, or a person did
            self._write(None)
            raise

    def _write(self, in_hand: str | dict[str, str] | None) -> None:
        state = {
            "attempt": self.attempt,
            "careful": self.careful,
            "blamed": self.blamed,
            "alone": self._alone,
            "loads": self._loads,
            "rowless": self._rowless,
            "in_hand": in_hand,
        } | self._here
        self._store.replace(self._name, json.dumps(state).encode(), durable=False)
