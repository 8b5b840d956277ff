"""Batches of rows through one operator: a bad row is isolated by halving, and it alone pays."""

import logging
import time
from collections.abc import Callable, Sequence

from imgdiff.data.fields import REGION
from imgdiff.data.readers.base import utf8
from imgdiff.data.rows import Row
from imgdiff.data.storable import Checks, misfit, usual_checks
from imgdiff.engine.faults import explained, raise_what_stops
from imgdiff.models.memory import free_gpu_memory
from imgdiff.operator import Operator
from imgdiff.recipe.plan import written_columns
from imgdiff.store.tally import Tally

Heard = Callable[[Sequence[Row], int, int], None]  # rows just done, how many so far, of how many
log = logging.getLogger(__name__)


def unwatched(operator: str, rows: Sequence[Row]) -> None:
    """Nobody asks what an operator has in hand."""


class Batches:
    """Runs one operator, set up already, and remembers the batch size that fits in memory.

    checks: of a run with fields of its own. watch: is told which rows the operator gets, and when
    it has none in hand.
    """

    def __init__(
        self,
        operator: Operator,
        checks: Checks | None = None,
        watch: Callable[[str, Sequence[Row]], None] = unwatched,
    ) -> None:
        self.operator, self._watch = operator, watch
        self._checks = checks or usual_checks()  # made here, as no batch takes that long
        self.size: int = operator.params.batch_size
        self._written, self._scores = written_columns(operator), set(operator.scores)
        self._region_scores = set(operator.region_scores)

    def run(self, rows: list[Row], heard: Heard | None = None) -> Tally:
        """Replace the rows that are still ok by what the operator makes of them.

        heard: called before the first batch and after each.
        """
        began = time.monotonic()
        places = [place for place, row in enumerate(rows) if row.ok]
        given = [rows[place] for place in places]
        made: list[Row] = []
        batch: list[Row] = []
        while len(made) < len(given):
            if heard:
                heard(batch, len(made), len(given))
            batch = self._isolate(given[len(made) : len(made) + self.size])
            made += batch
        if heard and batch:
            heard(batch, len(made), len(given))
        for place, row in zip(places, made, strict=True):
            rows[place] = row
        done = tally(self.operator, given, made)
        done.seconds = time.monotonic() - began
        return done

    def blame(self, rows: list[Row], code: str, message: str) -> Tally:
        """Fail the only row of `rows` without running the operator on it."""
        (given,) = rows
        rows[0] = self._failed(given, code, message)
        return tally(self.operator, [given], rows)

    def _isolate(self, rows: Sequence[Row]) -> list[Row]:
        """The rows after the operator; where it raises, halves are tried until one row is to blame.

        The operator gets copies, so a batch that fails half-way leaves nothing behind.
        """
        try:
            self._watch(self.operator.name, rows)
            made = self.operator.run([row.copy() for row in rows])
            self._refuse_other_rows(rows, made)
            return [self._accept(*states) for states in zip(rows, made, strict=True)]
        except BaseException as error:  # sys.exit() too, and what a library raises in a panic
            raise_what_stops(self.operator.name, error)
            # Only the text is kept: the traceback would hold the failed batch's tensors in memory.
            code, message = explained(error)
        finally:
            self._watch(self.operator.name, ())
        if code == "out_of_memory":
            self._shrink(len(rows))
        if len(rows) == 1:
            return [self._failed(rows[0], code, message)]
        middle = (len(rows) + 1) // 2
        return self._isolate(rows[:middle]) + self._isolate(rows[middle:])

    def _shrink(self, failed_size: int) -> None:
        free_gpu_memory()
        fits = (failed_size + 1) // 2
        if fits < min(self.size, failed_size):
            self.size = fits
            log.warning(
                "%s: batch of %d did not fit in GPU memory, using %d from now on",
                *(self.operator.name, failed_size, fits),
            )

    def _refuse_other_rows(self, given: Sequence[Row], made: Sequence[Row]) -> None:
        if [(row.id, row.seed) for row in given] != [(row.id, row.seed) for row in made]:
            counts = f"{len(given)} in, {len(made)} out"
            raise ValueError(f"gave back other rows, or in another order, than it got ({counts})")

    def _accept(self, before: Row, after: Row) -> Row:
        """The row as the operator left it, held to what can be stored and what it declares."""
        if found := misfit(after, self._checks):
            return self._failed(before, "operator_error", f"TypeError: {found}")
        if undeclared := self._undeclared(before, after):
            text = f"ValueError: wrote {', '.join(undeclared)}, which it does not declare"
            return self._failed(before, "operator_error", text)
        return after

    def _undeclared(self, before: Row, after: Row) -> list[str]:
        known = set().union(*(region.scores for region in before.regions))
        found = set().union(*(region.scores for region in after.regions))
        own = _own_of_regions(after) - _own_of_regions(before) - set(self.operator.writes)
        return [
            *sorted(after.values.keys() - before.values.keys() - self._written),
            *sorted(own),
            *sorted(after.scores.keys() - before.scores.keys() - self._scores),
            *sorted(found - known - self._region_scores),
        ]

    def _failed(self, row: Row, code: str, message: str) -> Row:
        """The row as the operator got it, ended."""
        failed = row.copy()
        failed.fail(self.operator.name, code, utf8(message))
        return failed


def _own_of_regions(row: Row) -> set[str]:
    """Names of the declared fields that regions of the row have."""
    return {f"{REGION}{name}" for region in row.regions for name in region.values}


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
    for name in operator.scores:
        done.widen(name, [row.scores[name] for row in made if name in row.scores])
    for name in operator.region_scores:
        done.widen(name, [region.scores[name] for region in regions if name in region.scores])
    return done
