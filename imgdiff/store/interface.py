"""Where a run keeps what it writes and reads again: contents under names, whichever way they lie.

Every file that the run itself depends on goes through a store: `run.json`, shards and their
manifests, recovery records, surveys, answers of servers, `report.json`.
"""

from collections.abc import Sequence
from io import BufferedIOBase
from typing import Any, Protocol

from imgdiff.store.files import from_json


class Store(Protocol):
    """Contents under names such as `stages/00_extra/00003.json`; `str()` of it says where it is.

    Several processes, on several machines, may use one at once, and it is sent to them: it has to
    be picklable. Who reads gets a whole content, the old one or the new one.
    """

    def put(self, name: str, content: bytes) -> bool:
        """Store a content, unless there is one of that name; whether it was stored. A loss of power
        may take it away whole, until a durable `replace` beside it has returned."""
        ...

    def replace(self, name: str, content: bytes, durable: bool = True) -> None:
        """Store a content in place of one that may be there. durable: once this returns, no loss of
        power takes it away; else it may be lost, so that the older one is there again."""
        ...

    def get(self, name: str) -> BufferedIOBase:
        """A content, to be read from any place in it.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        ...

    def stamp(self, name: str) -> tuple[int, float] | None:
        """The size of a content in bytes and when it was stored, in seconds; None if there is
        none."""
        ...

    def list(self, prefix: str) -> Sequence[str]:
        """The names that begin so, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove a content, if there is one of that name."""
        ...

    def free_bytes(self) -> float:
        """How much more there is room for; infinite if nobody can say."""
        ...


def content_of(store: Store, name: str) -> bytes | None:
    """The content of that name; None if there is none."""
    try:
        with store.get(name) as file:
            return file.read()
    except FileNotFoundError:
        return None


def json_of(store: Store, name: str) -> dict[str, Any] | None:
    """The JSON object of that name; None if nothing readable is there."""
    try:
        return from_json(content_of(store, name) or b"")
    except OSError:
        return None
