"""What a worker has in hand, stored, so that after a death the right row is blamed, and it alone.

The first death of a worker at a shard says only that something in it may kill; from then on its
rows are taken one by one. A row is blamed after two deaths while it was alone in hand: one may have
come from outside, and a machine that is taken away is no row's fault.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from imgdiff.errors import BrokenDeviceError, StoppedError
from imgdiff.store.interface import Store, json_of

BLAMED_AFTER = 2  # deaths with one row alone in hand
LOADS = 3  # deaths in a row while models are loaded, after which that is not tried again
SHARD, LOADING = "shard", "loading"


class RecoveryRecord:
    """A note on one shard in one phase: there from the first touch until the shard is stored.

    attempt: counts from 1. careful: whether a worker has died at this shard. blamed: row id -> the
    operator that was at work when it killed its worker. Nothing here waits for the disk: when the
    whole machine dies, no row is to blame.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        left = json_of(store, name) or {}
        self.attempt: int = left.get("attempt", 0) + 1
        self.careful: bool = left.get("careful", False)
        self.blamed: dict[str, str] = left.get("blamed", {})
        self._alone: dict[str, int] = left.get("alone", {})  # row id -> deaths with it in hand
        self._loads: int = left.get("loads", 0)
        match left.get("in_hand"):
            case "loading":
                self._loads += 1
            case "shard":
                self.careful, self._loads = True, 0
            case {"row": row, "operator": operator}:
                self.careful, self._loads = True, 0
                self._alone[row] = self._alone.get(row, 0) + 1
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
        if self._loads >= LOADS:
            self.clear()  # another try is the user's to make
            raise StoppedError(
                f"{phase}: the worker died {self._loads} times while it loaded its models. "
                "Is there memory enough for them?"
            )
        with self._holding(LOADING):
            yield

    @contextmanager
    def shard(self) -> Iterator[None]:
        """Around work on many rows at once."""
        with self._holding(SHARD):
            yield

    @contextmanager
    def row(self, row: str, operator: str) -> Iterator[None]:
        """Around one operator's work on one row alone."""
        with self._holding({"row": row, "operator": operator}):
            yield

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
            "in_hand": in_hand,
        }
        self._store.replace(self._name, json.dumps(state).encode(), durable=False)
