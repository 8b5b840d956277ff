"""What a worker says of a shard while it has it in hand."""

from collections.abc import Sequence

from imgdiff.console.signs import Advanced, Failed, LastKept, Say
from imgdiff.data.rows import Row
from imgdiff.engine.batches import Heard
from imgdiff.operator import Operator
from imgdiff.text.shortening import shortened

WITHOUT_MODEL = 0.02  # of the time of an operator that has one, as long as nothing is measured
SHOWN = 80  # characters of what a row's images differ in


class ShardSigns:
    """Says how far a shard is in a phase, which rows failed, and which was kept last."""

    def __init__(
        self,
        say: Say,
        phase: str,
        shard: int,
        rows: int,
        operators: Sequence[Operator],
        seconds: Sequence[float] = (),
    ) -> None:
        """rows: of the shard. operators: those of the phase. seconds: that each of them has taken
        for earlier shards, by which the share of the work is told; before that it is guessed."""
        self._say, self._phase, self._shard, self._rows = say, phase, shard, rows
        self._operators = operators
        guessed = [1.0 if operator.roles else WITHOUT_MODEL for operator in operators]
        self._weights = list(seconds) if sum(seconds) else guessed

    def of_step(self, number: int) -> Heard:
        """For an operator that is given all rows which have come to it."""
        before, own = sum(self._weights[:number]), self._weights[number]

        def heard(batch: Sequence[Row], done: int, waiting: int) -> None:
            share = (before + own * done / waiting) / sum(self._weights)
            self._tell(number, batch, done, waiting, share)

        return heard

    def of_row(self, number: int, place: int, count: int) -> Heard:
        """For an operator that is given one row alone, the next after `place` rows of `count`."""

        def heard(batch: Sequence[Row], done: int, waiting: int) -> None:
            self._tell(number, batch, place, count, place / count)

        return heard

    def failed(self, rows: Sequence[Row]) -> None:
        """Those of them that have failed."""
        for row in rows:
            if row.status == "failed":
                self._say(Failed(self._phase, self._shard, row.id, row.reason, row.message))

    def _tell(
        self, number: int, batch: Sequence[Row], done: int, waiting: int, share: float
    ) -> None:
        name = self._operators[number].name
        self._say(Advanced(self._phase, self._shard, self._rows, share, name, done, waiting))
        self.failed(batch)
        kept = [row for row in batch if row.ok]
        if kept and number == len(self._operators) - 1:
            self._say(LastKept(kept[-1].id, difference_words(kept[-1])))


def difference_words(row: Row) -> str:
    """What a row's images differ in, as far as it is known yet; else what is to be seen."""
    said = [region.difference for region in row.kept_regions if region.difference]
    edit = row.values.get("edit")
    if said:
        text = said[0]
    elif edit:
        text = f"{edit['source'] or 'nothing'} → {edit['target'] or 'nothing'}"
    else:
        text = row.values.get("caption_b") or row.values.get("caption_a") or ""
    return shortened(" ".join(text.split()), SHOWN)
