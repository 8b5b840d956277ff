"""Batches of rows through one operator: a bad row is isolated by halving, and it alone pays."""

import logging
import sys
import time
from collections.abc import Sequence

from imgdiff.data.rows import Row
from imgdiff.engines import Tally, region_scores, row_scores, written_columns
from imgdiff.errors import BrokenDeviceError, RowError
from imgdiff.operator import Operator

LONGEST_MESSAGE = 300
log = logging.getLogger(__name__)


class Batches:
    """Runs one operator, set up already, and remembers the batch size that fits in memory."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.size: int = operator.params.batch_size

    def run(self, rows: list[Row]) -> Tally:
        """Replace the rows that are still ok by what the operator makes of them."""
        began = time.monotonic()
        places = [place for place, row in enumerate(rows) if row.ok]
        given = [rows[place] for place in places]
        made: list[Row] = []
        while len(made) < len(given):
            made += self._isolate(given[len(made) : len(made) + self.size])
        for place, row in zip(places, made, strict=True):
            rows[place] = row
        done = tally(self.operator, given, made)
        done.seconds = time.monotonic() - began
        return done

    def blame(self, rows: list[Row], deaths: int) -> Tally:
        """Fail the only row of `rows`, on which the operator killed its worker that often."""
        (given,) = rows
        rows[0] = given.copy()
        message = f"the worker died {deaths} times while on this row alone"
        rows[0].fail(self.operator.name, "worker_died", message)
        return tally(self.operator, [given], rows)

    def _isolate(self, rows: Sequence[Row]) -> list[Row]:
        """The rows after the operator; where it raises, halves are tried until one row is to blame.

        The operator gets copies, so a batch that fails half-way leaves nothing behind.
        """
        try:
            made = self.operator.run([row.copy() for row in rows])
            self._check(rows, made)
            return made
        except Exception as error:
            # Only the text is kept: the traceback would hold the failed batch's tensors in memory.
            code, message = _explain(error)
        if code == "cuda_error":
            raise BrokenDeviceError(f"{self.operator.name}: CUDA stopped working ({message})")
        if code == "out_of_memory":
            self._shrink(len(rows))
        if len(rows) == 1:
            row = rows[0].copy()
            row.fail(self.operator.name, code, message)
            return [row]
        middle = (len(rows) + 1) // 2
        return self._isolate(rows[:middle]) + self._isolate(rows[middle:])

    def _shrink(self, failed_size: int) -> None:
        _free_gpu_memory()
        fits = (failed_size + 1) // 2
        if fits < min(self.size, failed_size):
            self.size = fits
            log.warning(
                "%s: batch of %d did not fit in GPU memory, using %d from now on",
                *(self.operator.name, failed_size, fits),
            )

    def _check(self, given: Sequence[Row], made: Sequence[Row]) -> None:
        """Hold the operator to what it declares; anything else would not be stored."""
        if [row.id for row in given] != [row.id for row in made]:
            counts = f"{len(given)} in, {len(made)} out"
            raise ValueError(f"gave back other rows, or in another order, than it got ({counts})")
        written, scores = written_columns(self.operator), set(row_scores(self.operator))
        inner = set(region_scores(self.operator))
        for before, after in zip(given, made, strict=True):
            known = set().union(*(region.scores for region in before.regions))
            found = set().union(*(region.scores for region in after.regions))
            undeclared = [
                *sorted(after.values.keys() - before.values.keys() - written),
                *sorted(after.scores.keys() - before.scores.keys() - scores),
                *sorted(found - known - inner),
            ]
            if undeclared:
                raise ValueError(f"wrote {', '.join(undeclared)}, which it does not declare")


def tally(operator: Operator, given: Sequence[Row], made: Sequence[Row]) -> Tally:
    """What an operator did to rows, from their states before and after."""
    done = Tally(operator.name, rows_in=len(given), rows_ok=sum(row.ok for row in made))
    mine = f"{operator.name}: "
    for row in made:
        if not row.ok:
            ending = done.rejected if row.status == "rejected" else done.failed
            ending[row.reason.removeprefix(mine)] += 1
    done.regions_in = sum(len(row.kept_regions) for row in given)
    done.regions_kept = sum(len(row.kept_regions) for row in made if row.ok)
    regions = [region for row in made for region in row.regions]
    done.regions_refused.update(
        region.reason.removeprefix(mine) for region in regions if region.reason.startswith(mine)
    )
    for name in row_scores(operator):
        done.widen(name, [row.scores[name] for row in made if name in row.scores])
    for name in region_scores(operator):
        done.widen(name, [region.scores[name] for region in regions if name in region.scores])
    return done


def _explain(error: Exception) -> tuple[str, str]:
    """A reason code and a message for people."""
    text = str(error).strip()[:LONGEST_MESSAGE]
    if isinstance(error, RowError):
        return error.code, text
    first_line = text.partition("\n")[0]
    if _is_out_of_memory(error):
        return "out_of_memory", first_line
    if "device-side assert" in text or text.startswith("CUDA error"):
        return "cuda_error", first_line
    return "operator_error", f"{type(error).__name__}: {first_line}"


def _is_out_of_memory(error: Exception) -> bool:
    by_text = isinstance(error, RuntimeError) and "out of memory" in str(error)
    return by_text or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free_gpu_memory() -> None:
    torch = sys.modules.get("torch")  # without it, it was not the GPU's memory
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
