"""Errors on their way from a worker to the driver: Ray cannot carry every error, and adds advice to
the text of those that it can."""

import logging
from collections.abc import Iterator

from imgdiff.engine.faults import explained, text_of
from imgdiff.errors import StoppedError
from imgdiff.store.files import is_disk_full

ADVICE = "\nFailed to "  # begins what Ray adds
log = logging.getLogger(__name__)


class Reason(Exception):  # noqa: N818 (it stands for an error)
    """Why a worker stops. Ray changes the arguments of an error, but no attribute."""

    def __init__(self, text: str, *_: object) -> None:
        super().__init__(text)
        self.text = text


def carried(error: Exception, place: str) -> Exception:
    """What a worker raises instead of an error that stops it. place: what it had in hand."""
    if is_disk_full(error):
        return error
    if isinstance(error, StoppedError):
        return Reason(text_of(error))
    return Reason(f"{place}: {explained(error)[1]}")


def cause(error: BaseException) -> BaseException:
    """What went wrong in a worker, from what Ray raises in the driver."""
    log.debug("Ray: %s", error)
    chain = list(_chain(error))
    for each in reversed(chain):  # Ray's wrapping is of the same class, but has no errno
        if isinstance(each, Reason):
            return StoppedError(each.text)
        if is_disk_full(each):
            return each
    text = text_of(chain[-1]).partition(ADVICE)[0].strip().rpartition("\n")[2]
    return StoppedError(f"Ray gave up: {type(chain[-1]).__name__}: {text}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it wraps, the original last."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = getattr(seen, "cause", None)
        seen = inner if isinstance(inner, BaseException) else seen.__cause__
