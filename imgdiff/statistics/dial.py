"""How many samples a run would keep on other thresholds, told from its stored scores."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from imgdiff.engines.replay import Replay, Trace
from imgdiff.engines.selection import PICTURES
from imgdiff.errors import RefusedError
from imgdiff.operator import Filter, Operator, load_operator_file, registry
from imgdiff.rows import Row
from imgdiff.run_dir import RUN
from imgdiff.shard_files import ShardFiles, read_json

STEPS = 24  # values of a threshold that a curve is drawn through
JOINT_STEPS = 9  # of each of two thresholds together
FAR = 0.02  # share of the scores left out at both ends


@dataclass(frozen=True)
class StoredRun:
    """A run folder, read without pictures. rows: those of all shards that are complete."""

    path: Path
    info: dict[str, Any]
    rows: list[Row]
    operators: list[Operator]


def load_run(path: Path) -> StoredRun:
    """What is stored of a run.

    Raises:
        RefusedError: there is no run, none of its shards is complete, or an operator is unknown.
    """
    info = read_json(path / RUN)
    if info is None:
        raise RefusedError(f"{path} is no run folder: {RUN} is missing or cannot be read")
    files, phases = ShardFiles(path, info), len(info["phases"])
    last = files.folder(phases - 1)
    shards = sorted(int(manifest.stem) for manifest in last.glob("*.json"))
    rows = [row for shard in shards for row in files.read(shard, phases, PICTURES)]
    limit = info["recipe"]["limit"] or info["input"]["rows"]
    if not rows:
        raise RefusedError(f"{path}: no shard is complete. Run the recipe first.")
    return StoredRun(path, info, rows[:limit], _operators(info))


def _operators(info: Mapping[str, Any]) -> list[Operator]:
    known = registry()
    for file in info["recipe"]["operators"]:
        if any(each["name"] not in known for each in info["operators"]) and Path(file).is_file():
            load_operator_file(Path(file))
    made = []
    for each in info["operators"]:
        cls = known.get(each["name"])
        if cls is None or not issubclass(cls, Operator):
            where = "Start from the folder in which the recipe was run."
            raise RefusedError(f"{each['name']}: unknown operator. {where}")
        made.append(cls(cls.Params.model_validate_json(json.dumps(each["params"]))))
    return made


@dataclass(frozen=True)
class Threshold:
    """A setting that can be moved. number: of its operator. scores: names of what it limits, if
    that can be told. values: to try, in order, the present one among them."""

    number: int
    operator: str
    setting: str
    now: float | None
    scores: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.operator}.{self.setting}"


@dataclass
class Point:
    """What is kept at one value of a threshold, or of two.

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


@dataclass(frozen=True)
class Curve:
    threshold: Threshold
    points: list[Point]  # one for each of its values

    @property
    def span(self) -> float:
        """How many samples it decides about."""
        totals = [point.total for point in self.points]
        return max(totals) - min(totals)


@dataclass(frozen=True)
class Joint:
    """Two thresholds moved together. points: [values of the first][values of the second]."""

    first: Threshold
    second: Threshold
    points: list[list[Point]]


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
        return self._point({})

    def curve(self, threshold: Threshold) -> Curve:
        """The threshold moved, all others as they are."""
        points = [self._point(self._moved([(threshold, v)])) for v in threshold.values]
        return Curve(threshold, points)

    def joint(self, first: Threshold, second: Threshold) -> Joint:
        """Both moved, through a few values of each."""
        first, second = sorted((_fewer(first), _fewer(second)), key=lambda each: each.number)
        now = self.now().samples or 1
        alone = [self._point(self._moved([(second, w)])).total / now for w in second.values]
        points = [
            [
                self._point(self._moved([(first, v), (second, w)]), second.number, share)
                for w, share in zip(second.values, alone, strict=True)
            ]
            for v in first.values
        ]
        return Joint(first, second, points)

    def find(self, name: str) -> Threshold:
        """The threshold `operator.setting`, or of that setting alone where only one has it.

        Raises:
            RefusedError: there is none, or several.
        """
        found = [each for each in self.thresholds if name in (each.name, each.setting)]
        if len(found) != 1:
            names = ", ".join(each.name for each in found or self.thresholds)
            raise RefusedError(f"{name}: {'which' if found else 'no such threshold'}? {names}")
        return found[0]

    def _moved(self, moves: Iterable[tuple[Threshold, float]]) -> dict[int, Operator] | None:
        """The operators that differ; None where their settings refuse the values together."""
        changed: dict[int, dict[str, Any]] = {}
        for threshold, value in moves:
            params = self.run.operators[threshold.number].params.model_dump(mode="json")
            changed.setdefault(threshold.number, params)[threshold.setting] = value
        moved = {}
        for number, params in changed.items():
            operator = type(self.run.operators[number])
            try:
                moved[number] = operator(operator.Params.model_validate_json(json.dumps(params)))
            except ValueError:
                return None
        return moved

    def _point(
        self, changed: Mapping[int, Operator] | None, later: int = -1, share: float = 1.0
    ) -> Point:
        """What is kept with some operators changed. share: what the operator `later` changes in
        the yield of what is still to come to it."""
        point = Point()
        for trace in self._traces if changed is not None else ():
            number, expected = self._follow(trace, changed or {}, point)
            point.expected += expected * (share if number <= later else 1.0)
        return point

    def _follow(
        self, trace: Trace, changed: Mapping[int, Operator], point: Point
    ) -> tuple[int, float]:
        """Add to `point` what becomes of a row; where it has to be run from an operator on, give
        the number of that and the samples to be expected."""
        operators = self.run.operators
        first, last = min(changed, default=len(operators)), max(changed, default=-1)
        if trace.last < first:  # it ended before
            return 0, 0.0
        trace.go_to(first)
        row = trace.stored
        for number in range(first, len(operators)):
            if number > last and trace.is_as_then(number):
                row = trace.stored
                break
            given = trace.before(number)
            made = trace.after(number, changed.get(number, operators[number]), given)
            if made is None:
                point.waiting += 1
                return number, self._rates[number] * (len(given.kept_regions) or 1)
            row = made
            if not row.ok:
                break
        if row.ok:
            kept = {f"{row.id}-{k}" for k, r in enumerate(row.regions) if r.status == "ok"}
            point.rows += 1
            point.samples += len(kept)
            point.kept |= kept
        return 0, 0.0

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
                found.append(Threshold(number, operator.name, setting, now, scores, values))
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


def most_influential(curves: Sequence[Curve]) -> tuple[Threshold, Threshold] | None:
    """The two thresholds that decide about most samples, of two operators if possible."""
    ordered = sorted(curves, key=lambda curve: -curve.span)
    pairs = list(combinations(ordered[:4], 2))
    apart = [(a, b) for a, b in pairs if a.threshold.number != b.threshold.number]
    for first, second in (apart or pairs)[:1]:
        return first.threshold, second.threshold
    return None


def _fewer(threshold: Threshold) -> Threshold:
    """With fewer values, the present one still among them."""
    values = threshold.values
    places = {round(k) for k in np.linspace(0, len(values) - 1, JOINT_STEPS)}
    if threshold.now is not None:
        nearest = min(places, key=lambda k: abs(k - values.index(threshold.now or 0.0)))
        places = (places - {nearest}) | {values.index(threshold.now)}
    chosen = tuple(values[k] for k in sorted(places))
    return Threshold(
        threshold.number,
        threshold.operator,
        threshold.setting,
        threshold.now,
        threshold.scores,
        chosen,
    )


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
