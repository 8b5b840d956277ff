"""How many samples a run would keep on other thresholds, told from its stored scores."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imgdiff.data.fields import pictures
from imgdiff.data.rows import Row
from imgdiff.engine.replay import Replay, Trace
from imgdiff.errors import RefusedError
from imgdiff.operator import Filter, Operator, load_operator_file, registry
from imgdiff.store.run_dir import RunDir, begun_at
from imgdiff.store.run_info import RUN, RunInfo

STEPS = 24  # values of a threshold that a curve is drawn through
FAR = 0.02  # share of the scores left out at both ends


@dataclass(frozen=True)
class StoredRun:
    """A run folder, read without pictures. rows: those of all shards that are complete."""

    path: Path
    info: RunInfo
    rows: list[Row]
    operators: list[Operator]


def load_run(path: Path) -> StoredRun:
    """What is stored of a run.

    Raises:
        RefusedError: there is no run, none of its shards is complete, or an operator is unknown.
    """
    folder = begun_at(path)
    if folder is None:
        raise RefusedError(f"{path} is no run folder: {RUN} is missing or cannot be read")
    run = stored_run(folder)
    if not run.rows:
        raise RefusedError(f"{path}: no shard is complete. Run the recipe first.")
    return run


def stored_run(folder: RunDir) -> StoredRun:
    """What is stored in a folder.

    Raises:
        RefusedError: an operator is unknown.
    """
    info, phases = folder.info, len(folder.info.phases)
    shards = (n for n in range(folder.shard_count) if folder.is_done(phases - 1, n))
    unread = pictures(info.known_fields)
    rows = [row for shard in shards for row in folder.files.read(shard, phases, unread)]
    return StoredRun(folder.path, info, rows, _operators(info))


def _operators(info: RunInfo) -> list[Operator]:
    known = registry()
    for file in info.recipe["operators"]:
        if any(each.name not in known for each in info.operators) and Path(file).is_file():
            load_operator_file(Path(file))
    made = []
    for each in info.operators:
        cls = known.get(each.name)
        if cls is None or not issubclass(cls, Operator):
            where = "Start from the folder in which the recipe was run."
            raise RefusedError(f"{each.name}: unknown operator. {where}")
        made.append(cls(cls.Params.model_validate_json(json.dumps(each.params))))
    return made


@dataclass(frozen=True)
class Threshold:
    """A setting that can be moved. number: of its operator. values: to try, in order, the present
    one among them."""

    number: int
    operator: str
    setting: str
    now: float | None
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.operator}.{self.setting}"


@dataclass
class Point:
    """What is kept at one value of a threshold.

    rows, samples: known without a model. waiting: rows that would have to be run, and expected: the
    samples that these would add at the run's rates. kept: ids of the regions that are known.
    """

    rows: int = 0
    samples: int = 0
    waiting: int = 0
    expected: float = 0.0
    kept: set[str] = field(default_factory=set)

    @property
    def total(self) -> float:
        return self.samples + self.expected

    def add(self, other: "Point") -> None:
        self.rows += other.rows
        self.samples += other.samples
        self.waiting += other.waiting
        self.expected += other.expected
        self.kept |= other.kept


@dataclass(frozen=True)
class Curve:
    threshold: Threshold
    points: list[Point]  # one for each of its values


class Dial:
    """Moves thresholds of a stored run.

    A row that another threshold lets through has no later scores: what became of it is unknown, and
    only estimated, by the share of samples among what came to the same operator in the run.
    """

    def __init__(self, run: StoredRun) -> None:
        self.run, self._replay = run, Replay(run.operators, by_region=True)
        came = (Row(row.id, row.seed, dict(row.values)) for row in run.rows)
        self._traces = [Trace(self._replay, *pair) for pair in zip(came, run.rows, strict=True)]
        self._rates = [self._rate(number) for number in range(len(run.operators))]
        self.thresholds = [each for n in range(len(run.operators)) for each in self._of(n)]

    def now(self) -> Point:
        return self._points(len(self.run.operators), [self.run.operators])[0]

    def curve(self, threshold: Threshold) -> Curve:
        """The threshold moved, all others as they are."""
        moved = [self._moved(threshold, value) for value in threshold.values]
        return Curve(threshold, self._points(threshold.number, moved))

    def _moved(self, threshold: Threshold, value: float) -> list[Operator] | None:
        """The operators with that value; None where the other settings refuse it."""
        operators = list(self.run.operators)
        operator = operators[threshold.number]
        params = operator.params.model_dump(mode="json") | {threshold.setting: value}
        try:
            valid = type(operator).Params.model_validate_json(json.dumps(params))
        except ValueError:
            return None
        operators[threshold.number] = type(operator)(valid)
        return operators

    def _points(self, first: int, moved: Sequence[Sequence[Operator] | None]) -> list[Point]:
        """What is kept by operators of which `first` may be another than in the run; nothing where
        there are none."""
        points = [Point() for _ in moved]
        for trace in self._traces:
            if trace.last >= first:  # else it ended before
                for point, became in zip(points, self._followed(trace, first, moved), strict=True):
                    point.add(became)
        return points

    def _followed(
        self, trace: Trace, first: int, moved: Sequence[Sequence[Operator] | None]
    ) -> Iterator[Point]:
        """What becomes of a row. Where two values leave it the same regions it goes on alike, and
        most values do: its way is gone once for each outcome, not for each value."""
        if first == len(self.run.operators):
            yield from (_kept(trace.stored) for _ in moved)
            return
        trace.go_to(first)
        given = trace.before(first)
        known: dict[object, Point] = {}
        for operators in moved:
            if operators is None:
                yield Point()
                continue
            trace.go_to(first)
            made = trace.after(first, operators[first], given)
            left = made and (made.ok, tuple(region.status for region in made.regions))
            if left not in known:
                known[left] = self._went_on(trace, first, given, made)
            yield known[left]

    def _went_on(self, trace: Trace, number: int, given: Row, made: Row | None) -> Point:
        """What becomes of a row after an operator, or what is to be expected of it where it has to
        be run from that one on."""
        operators = self.run.operators
        while made is not None and made.ok:
            number += 1
            if number == len(operators):
                return _kept(made)
            if trace.is_as_then(number):
                return _kept(trace.stored)
            given = trace.before(number)
            made = trace.after(number, operators[number], given)
        if made is not None:
            return Point()
        units = len(given.kept_regions) or 1
        return Point(waiting=1, expected=self._rates[number] * units)

    def _rate(self, number: int) -> float:
        """Samples for each region (or row, before it has regions) that came to an operator."""
        came = [trace for trace in self._traces if trace.last >= number]
        made_by = self._replay.writers.get("regions", -1)
        units = len(came)
        if number > made_by:
            units = sum(last >= number for trace in came for last in trace.lasts)
        samples = sum(len(trace.stored.kept_regions) for trace in came if trace.stored.ok)
        return samples / units if units else 0.0

    def _of(self, number: int) -> list[Threshold]:
        operator = self.run.operators[number]
        if not isinstance(operator, Filter):
            return []
        found = []
        for setting in operator.movable:
            now = getattr(operator.params, setting)
            kinds = _numbers(operator, setting)
            if kinds:
                scores = tuple(name for name, pair in operator.limits.items() if setting in pair)
                values = self._values(operator, setting, now, scores, kinds)
                found.append(Threshold(number, operator.name, setting, now, values))
        return [threshold for threshold in found if len(threshold.values) > 1]

    def _values(
        self,
        operator: Filter,
        setting: str,
        now: float | None,
        scores: tuple[str, ...],
        kind: type,
    ) -> tuple[float, ...]:
        """Through the scores that it limits, else through what the setting may be."""
        spread = [
            row.scores[name] for row in self.run.rows for name in scores if name in row.scores
        ]
        regions = (region for row in self.run.rows for region in row.regions)
        spread += [each.scores[name] for each in regions for name in scores if name in each.scores]
        if spread:
            low, high = np.quantile(spread, [FAR, 1 - FAR])
        elif scores:
            return ()
        else:
            low, high = _bounds(operator, setting, now)
        if kind is int:
            values = {round(value) for value in np.linspace(low, high, STEPS)}
        else:
            values = {float(f"{value:.3g}") for value in np.linspace(low, high, STEPS)}
        return tuple(sorted(values | ({now} if now is not None else set())))


def _kept(row: Row) -> Point:
    """The samples of a row at its end; nothing if it was refused."""
    if not row.ok:
        return Point()
    kept = {f"{row.id}-{k}" for k, region in enumerate(row.regions) if region.status == "ok"}
    return Point(rows=1, samples=len(kept), kept=kept)


def _numbers(operator: Filter, setting: str) -> type | None:
    """int or float, for a setting that is a number."""
    schema = type(operator).Params.model_json_schema()["properties"][setting]
    kinds = {each.get("type") for each in schema.get("anyOf", [schema])}
    if "integer" in kinds:
        return int
    return float if "number" in kinds else None


def _bounds(operator: Filter, setting: str, now: float | None) -> tuple[float, float]:
    """What a setting that limits no score may be, not far from what it is."""
    schema = type(operator).Params.model_json_schema()["properties"][setting]
    kinds = schema.get("anyOf", [schema])
    low = next((each["minimum"] for each in kinds if "minimum" in each), 0)
    high = next((each["maximum"] for each in kinds if "maximum" in each), None)
    middle = now if now is not None else 1.0
    far = max(2 * middle, middle + 1)
    return low, far if high is None else min(high, far)
