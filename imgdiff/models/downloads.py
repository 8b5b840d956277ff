"""A model that is loaded says so, and how much of it has come from the Hub while it does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from imgdiff.console.signs import Loading, Say, silent
from imgdiff.data.hub import stored_bytes
from imgdiff.errors import RefusedError
from imgdiff.models.pipeline_parts import local_path
from imgdiff.models.sizes import size_of
from imgdiff.models.zoo import Checkpoint

LOOK_SECONDS = 1.0
_Loaded = TypeVar("_Loaded")


def loaded(role: str, checkpoint: Checkpoint, load: Callable[[], _Loaded], say: Say) -> _Loaded:
    """What `load` returns. Meanwhile `say` gets a `Loading`; where files have to come from the Hub
    one each second, in the place of the Hub library's own bars."""
    if say is silent:
        return load()
    missing = _missing(checkpoint)
    if not missing:
        say(Loading(role, _called(checkpoint)))
        return load()
    with _following(role, checkpoint, missing, say):
        return load()


def _missing(checkpoint: Checkpoint) -> int:
    """Bytes of its weights that are not on this disk."""
    if checkpoint.folder is None or checkpoint.parts:
        with suppress(RefusedError):  # loading says what is wrong
            return size_of(checkpoint).to_download
    return 0


def _called(checkpoint: Checkpoint) -> str:
    """Its name, without where it lies on this machine."""
    if checkpoint.is_embedded:
        return "embedded"
    return checkpoint.name if checkpoint.folder is None else checkpoint.folder.name


@contextmanager
def _following(role: str, checkpoint: Checkpoint, missing: int, say: Say) -> Iterator[None]:
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    names = (checkpoint.name, *(part.name for part in checkpoint.parts.values()))
    repos = [name for name in names if local_path(name) is None]
    before = sum(map(stored_bytes, repos))
    over = threading.Event()

    def follow() -> None:
        while True:
            here = sum(map(stored_bytes, repos)) - before
            say(Loading(role, _called(checkpoint), missing, here))
            if over.wait(LOOK_SECONDS):
                return

    follower = threading.Thread(target=follow, daemon=True)
    disable_progress_bars()
    follower.start()
    try:
        yield
    finally:
        enable_progress_bars()
        over.set()
        follower.join()
