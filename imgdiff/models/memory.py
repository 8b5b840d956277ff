"""How much goes through a model at once: as much as its memory holds.

Operators hand over all they have. A family knows about what an item takes; what a GPU has free is
measured. An estimate may be wrong, so a part that does not fit is halved, and the next ones are
smaller, until some went well.
"""

import ctypes
import gc
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import torch

SHARE = 0.7  # of the free memory that a part may take: estimates are rough, and memory has gaps
CPU_BYTES = 2 << 30  # that a part may take without a GPU, the same on every machine
GROWS_AFTER = 8  # parts that went well, until larger ones are tried again
TENSORS = 24
# of a tower that does not say its own, as one of convolutions does not
USUAL_SIDE, USUAL_PATCH, USUAL_WIDTH = 384, 16, 1024
log = logging.getLogger(__name__)
_PARTS: "WeakKeyDictionary[torch.nn.Module, Parts]" = WeakKeyDictionary()
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class Parts:
    """Cuts work into parts that fit. Each model has one, which remembers what did not fit.

    Args:
        name: of the model, for messages.
        free: gives the bytes that are free now.
    """

    def __init__(self, name: str, free: Callable[[], float]) -> None:
        self.name, self._free = name, free
        self._factor, self._went_well = 1.0, 0  # how much more than estimated things seem to take

    def run(
        self,
        items: Sequence[_Item],
        costs: Sequence[float],
        work: Callable[[Sequence[_Item]], Iterable[_Made]],
    ) -> list[_Made]:
        """What `work` makes of the items, in their order; it gets some of them at a time.

        Args:
            costs: bytes that each item takes about. What is together in a part is padded to the
                largest, so a part takes its largest cost as often as it has items.
            work: as many results as it gets items.
        """
        made: list[_Made] = []
        while len(made) < len(items):
            count = self._count(costs[len(made) :])
            part = items[len(made) : len(made) + count]
            try:
                made.extend(work(part))
                self._note_fit(is_last=len(made) == len(items))
                continue
            except BaseException as error:
                if count == 1 or not is_out_of_memory(error):
                    raise
            # out of the handler, whose traceback holds the part's tensors
            self._shrink(count, max(costs[len(made) : len(made) + count]))
        return made

    def _count(self, costs: Sequence[float]) -> int:
        """How many of the first items fit; at least one."""
        budget, largest = SHARE * self._free() / self._factor, 0.0
        for count, cost in enumerate(costs):
            largest = max(largest, cost)
            if count and largest * (count + 1) > budget:
                return count
        return len(costs)

    def _shrink(self, failed: int, cost: float) -> None:
        """Take items to cost so much that half of those that failed would fill the memory."""
        free_gpu_memory()
        self._factor = max(self._factor, SHARE * self._free() / (cost * (failed // 2)))
        self._went_well = 0
        text = "%s: %d at once did not fit in memory, %d from now on"
        log.warning(text, self.name, failed, failed // 2)

    def _note_fit(self, is_last: bool) -> None:
        if self._factor == 1 or is_last:  # a last part may be small, and proves nothing
            return
        self._went_well += 1
        if self._went_well == GROWS_AFTER:
            self._factor, self._went_well = max(1.0, self._factor / 2), 0


def parts_of(model: Any) -> Parts:
    """The parts in which a model gets its work: one object for each model, as long as it lives."""
    if model not in _PARTS:
        device = model.device  # no reference to the model itself
        _PARTS[model] = Parts(type(model).__name__, lambda: free_bytes(device))
    return _PARTS[model]


def tower_bytes(config: Any, places: int, itemsize: int) -> float:
    """What a transformer takes for one sequence of so many places, beside its weights: about so
    many tensors of its width at a time. config: its own."""
    width = getattr(config, "hidden_size", None) or USUAL_WIDTH
    return float(TENSORS * places * width * itemsize)


def picture_bytes(config: Any, itemsize: int) -> float:
    """The same of a vision tower for one picture. config: its own."""
    side = getattr(config, "image_size", None) or USUAL_SIDE
    patch = getattr(config, "patch_size", None) or USUAL_PATCH
    sides = (side, side) if isinstance(side, int) else tuple(side)
    places = (sides[0] // patch) * (sides[1] // patch)
    return tower_bytes(config, places, itemsize) + 3 * sides[0] * sides[1] * itemsize


def free_bytes(device: "torch.device") -> float:
    """Bytes that a model on that device may still take, those that torch keeps for itself
    included."""
    import torch

    if device.type != "cuda":
        return CPU_BYTES / SHARE
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(free + kept)


def is_out_of_memory(error: BaseException) -> bool:
    try:
        text = str(error)
    except Exception:  # an error's own text may be broken, too
        text = ""
    by_text = isinstance(error, RuntimeError) and "out of memory" in text
    return by_text or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def free_gpu_memory() -> None:
    """Give back what no model and no tensor holds any more."""
    gc.collect()
    torch = sys.modules.get("torch")  # where nothing was loaded, it need not be imported now
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    _trim_heap()


def _trim_heap() -> None:
    """The same of the C library's heap: glibc keeps freed memory that lies below a block in use,
    more with every phase."""
    with suppress(AttributeError, OSError, TypeError):  # another C library, which has its own ways
        ctypes.CDLL(None).malloc_trim(0)
