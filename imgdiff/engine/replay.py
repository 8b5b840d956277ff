"""A phase gone through again by its stored rows: filters decide anew, no model is run.

What a filter scored is stored and its decision is pure, so moved thresholds give each row its new
ending. Where a row now reaches an operator that has not seen it so, it has to be run from there on.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from imgdiff.data.rows import Region, Row
from imgdiff.data.storable import Checks, misfit
from imgdiff.engine.batches import tally
from imgdiff.operator import Filter, Operator
from imgdiff.store.retry import Retry
from imgdiff.store.shard_files import Stored
from imgdiff.store.tally import Tally

DIGITS = 16  # of a hash


@dataclass(frozen=True)
class Replayed:
    """Rows as far as they are known.

    starts: for each row the number of the first operator that has to be run on it; the count of
    operators if none has. tallies: of what the operators did to the rows before that.
    """

    rows: list[Row]
    starts: list[int]
    tallies: list[Tally]


def mark(row: Row) -> str:
    """Two hashes, of a row's fields and of its scores and kept regions: rows with one mark come out
    of the same operators alike."""
    kept = [(k, region.record) for k, region in enumerate(row.regions) if region.status == "ok"]
    return f"{_hash(row.values)}.{_hash([row.scores, len(row.regions), kept])}"


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=lambda raw: hashlib.sha256(raw).hexdigest())
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def trusting(rows: Iterable[Row], stored: Stored) -> dict[str, str]:
    """Marks of rows that were read without pictures: their fields are taken to be as they were."""
    marks = {}
    for row in rows:
        fields = stored.marks.get(row.id, "").partition(".")[0]
        marks[row.id] = f"{fields}.{mark(row).partition('.')[2]}"
    return marks


class Replay:
    """Goes through one phase again. The operators need no models for it.

    numbers: operator -> its place. writers, scorers, region_scorers: what is written or scored, by
    name -> the place of the operator that does it. screeners: places of the filters for whose
    refusals nothing is stored of what this phase makes. by_region: take what was made of a region
    to be the same whichever others are with it, which is an estimate. checks: of a run with fields
    of its own. retry: which failed rows are to be run again, from where they failed.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        by_region: bool = False,
        checks: Checks | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.operators, self.by_region, self.checks = operators, by_region, checks
        self.retry = retry
        self.numbers = {operator.name: number for number, operator in enumerate(operators)}
        self.writers = {name: k for k, each in enumerate(operators) for name in each.writes}
        self.scorers = {name: k for k, op in enumerate(operators) for name in op.scores}
        self.region_scorers = {
            name: k for k, op in enumerate(operators) for name in op.region_scores
        }
        self.screeners = [
            number
            for number, each in enumerate(operators)
            if isinstance(each, Filter) and self.writers.keys() & set(each.screens)
        ]
        # a field written twice is stored as the last operator left it: nothing can be told from it
        self._once = len(self.writers) == sum(len(operator.writes) for operator in operators)

    def run(self, rows: Sequence[Row], stored: Stored, marks: Mapping[str, str]) -> Replayed:
        """The rows that came to the phase, with `marks` of those that are ok, as far as what is
        stored tells their way through it."""
        replayed = [self._replay(row, stored, marks) for row in rows]
        tallies = []
        for number, operator in enumerate(self.operators):
            passed = [row for row in replayed if number < len(row.steps)]
            given, made = ([row.steps[number][side] for row in passed] for side in (0, 1))
            tallies.append(tally(operator, given, made))
        return Replayed([each.row for each in replayed], [each.start for each in replayed], tallies)

    def _replay(self, row: Row, stored: Stored, marks: Mapping[str, str]) -> "ReplayedRow":
        if not row.ok:
            return ReplayedRow(row, len(self.operators))
        before = stored.marks.get(row.id)
        recreated = bool(row.regions) and "regions" in self.writers
        if before is None or before != marks[row.id] or recreated or not self._once:
            return ReplayedRow(row, 0)
        trace = Trace(self, row, stored.rows[row.id])
        replayed = self._follow(trace)
        if replayed.row.ok and any(trace.last <= number for number in self.screeners):
            return ReplayedRow(row, 0)  # what it needs now was not stored
        return replayed

    def _follow(self, trace: "Trace") -> "ReplayedRow":
        replayed = ReplayedRow(trace.before(0), len(self.operators))
        for number, operator in enumerate(self.operators):
            given = trace.before(number)
            made = trace.after(number, operator, given)
            if made is None:
                replayed.row, replayed.start = given, number
                break
            replayed.steps.append((given, made))
            replayed.row = made
            if not made.ok:
                break
        return replayed


@dataclass
class ReplayedRow:
    """A row as far as it is known, from `start` on to be run. steps: the row before and after each
    operator until then."""

    row: Row
    start: int
    steps: list[tuple[Row, Row]] = field(default_factory=list)


class Trace:
    """What is stored of one row, from which its states between the operators are told.

    last: number of the operator that ended the row then. lasts: of each region likewise, -1 where
    it was refused before this phase. refused: regions, by their number in the row, that have been
    refused this time, with the operator's number and the reason.
    """

    def __init__(self, phase: Replay, came: Row, stored: Row) -> None:
        self.phase, self.came, self.stored = phase, came, stored
        self.last = self._ended_by(stored)
        self.lasts = [self._ended_by(region) for region in stored.regions]
        self.refused: dict[int, tuple[int, Region]] = {}

    def _ended_by(self, what: Row | Region) -> int:
        if what.status == "ok":
            return len(self.phase.operators)
        return self.phase.numbers.get(what.reason.partition(":")[0], -1)

    def before(self, number: int) -> Row:
        """The row as it comes to an operator this time."""
        phase, row = self.phase, self.came.copy()
        for name, value in self.stored.values.items():
            if phase.writers.get(name, number) < number:
                row[name] = value
        for name, score in self.stored.scores.items():
            if phase.scorers.get(name, number) < number:
                row.scores[name] = score
        made_here = phase.writers.get("regions")
        if made_here is not None and made_here < number:
            row.regions = [self._region(k, None, number) for k in range(len(self.stored.regions))]
        elif made_here is None and self.stored.regions:
            row.regions = [self._region(k, each, number) for k, each in enumerate(row.regions)]
        return row

    def _region(self, k: int, came: Region | None, number: int) -> Region:
        """A region as it comes to an operator: nothing is added to it once it is refused."""
        if came is not None and came.status != "ok":
            return came
        by, refusal = self.refused.get(k, (number, None))
        phase, stored, until = self.phase, self.stored.regions[k], min(number, by + 1)
        region = replace(
            stored,
            status="ok",
            reason="",
            conversations=list(stored.conversations),
            values=dict(stored.values),
        )
        region.scores = {
            name: score
            for name, score in stored.scores.items()
            if phase.region_scorers.get(name, -1) < until
        }
        plain = came or Region(stored.box_xyxy, stored.source)
        for name, writer in phase.writers.items():
            section, _, inner = name.partition(".")
            if section == "regions" and inner and writer >= until:
                _take_back(region, inner, plain)
        if refusal is not None and by < number:
            region.status, region.reason = refusal.status, refusal.reason
        return region

    def after(self, number: int, operator: Operator, given: Row) -> Row | None:
        """The row after an operator; None if that cannot be told without running it."""
        if self.last < number:
            return None  # it did not come so far then
        if self.last == number and self._is_retried():
            return None
        kept = {k for k, region in enumerate(given.regions) if region.status == "ok"}
        kept_then = {k for k in range(len(given.regions)) if self.lasts[k] >= number}
        made = self.before(number + 1)
        if isinstance(operator, Filter) and self._was_decided(number, operator, kept):
            if not kept <= kept_then or not _decided(operator, made, self.phase.checks):
                return None
        elif kept == kept_then or (self.phase.by_region and kept < kept_then):
            self._end_as_then(number, made)
        else:
            return None
        for k, region in enumerate(made.regions):
            if region.status != "ok" and k not in self.refused:
                self.refused[k] = number, replace(region)
        return made

    def go_to(self, number: int) -> None:
        """Go on as it was then, up to an operator that the row came to."""
        self.refused = {
            k: (last, self.stored.regions[k]) for k, last in enumerate(self.lasts) if last < number
        }

    def is_as_then(self, number: int) -> bool:
        """Whether the row, not ended this time, comes to an operator with the regions of then."""
        then = {k for k, last in enumerate(self.lasts) if last < number}
        return self.last >= number and self.refused.keys() == then

    def _was_decided(self, number: int, operator: Filter, kept: set[int]) -> bool:
        """Whether the filter came to decide about the row then: it may have failed before, or
        `score` may have rejected the row for lack of something to score."""
        if self.last > number or self.stored.status == "failed":
            return self.last > number
        if not operator.scores and (not operator.region_scores or not kept):
            return True  # without anything to score
        regions = [self.stored.regions[k] for k in kept]
        found = any(name in self.stored.scores for name in operator.scores)
        found |= any(name in each.scores for each in regions for name in operator.region_scores)
        return found

    def _is_retried(self) -> bool:
        retry, then = self.phase.retry, self.stored
        return retry is not None and then.status == "failed" and retry.covers(then.reason)

    def _end_as_then(self, number: int, made: Row) -> None:
        for k, region in enumerate(made.regions):
            if self.lasts[k] == number:
                region.status = self.stored.regions[k].status
                region.reason = self.stored.regions[k].reason
        if self.last == number:
            then = self.stored
            made.status, made.reason, made.message = then.status, then.reason, then.message


def _take_back(region: Region, name: str, plain: Region) -> None:
    """Let a field be what it was in `plain`."""
    if name in vars(region):
        setattr(region, name, getattr(plain, name))
    elif name in plain.values:
        region[name] = plain[name]
    else:
        region.values.pop(name, None)


def _decided(operator: Filter, row: Row, checks: Checks | None) -> bool:
    """Let the filter decide; whether it could: it may ask for a score that is not stored."""
    try:
        operator.decide(row)
    except (Exception, SystemExit):  # run on the row, it says what is wrong with it
        return False
    return misfit(row, checks) is None
