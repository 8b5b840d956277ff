"""Signs of life: what a worker says of its work while it is at it. For people alone: no fact of a
run follows from them, and one that is lost does no harm."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Loading:
    """A model is being loaded. missing: bytes that have to be downloaded first. here: of these,
    the bytes that have come so far."""

    role: str
    name: str
    missing: int = 0
    here: int = 0


@dataclass(frozen=True)
class Advanced:
    """A shard is under way in a phase. rows: of the shard. share: of its work, in this phase, that
    is done, 0 to 1. done, waiting: rows that the operator has done, and that it was given."""

    phase: str
    shard: int
    rows: int
    share: float
    operator: str
    done: int
    waiting: int


@dataclass(frozen=True)
class Failed:
    """A row has failed. reason: `operator: code`."""

    phase: str
    shard: int
    row: str
    reason: str
    message: str


@dataclass(frozen=True)
class LastKept:
    """A row has come through a phase. words: what its two images differ in, as far as known."""

    row: str
    words: str


@dataclass(frozen=True)
class Doing:
    """Something that takes long and belongs to no phase."""

    what: str


Sign = Loading | Advanced | Failed | LastKept | Doing
Say = Callable[[Sign], None]


def silent(sign: Sign) -> None:
    """Where nobody listens."""
