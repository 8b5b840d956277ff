"""The samples of a run by their scores: which of them stricter limits would keep."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgdiff.data.rows import Region, Row
from imgdiff.operator import Filter, Operator

DIGITS = 4  # of a limit
FARTHEST = 1e9  # open, for a setting without bounds
READ = {"regions.caption_a", "regions.caption_b", "regions.difference"}  # by a person who rates


@dataclass(frozen=True)
class Limit:
    """A setting that bounds scores, all from the same side.

    number: of its operator in the run. sign: 1 where it is the lowest value that passes, -1 where
    it is the highest, so that `sign * value` says how strict a value is. now: its value in the run.
    """

    number: int
    operator: str
    setting: str
    scores: tuple[str, ...]
    sign: int
    now: float

    @property
    def name(self) -> str:
        return f"{self.operator}.{self.setting}"

    def value(self, strictness: float) -> float:
        """The setting of that strictness, whole where the setting is."""
        value = self.sign * strictness + 0.0  # no -0.0
        return int(value) if isinstance(self.now, int) else value

    def looser(self, strictness: float) -> float:
        """The next looser strictness that is short to write, but none looser than the run's."""
        step = 1.0
        if not isinstance(self.now, int) and strictness:
            step = 10.0 ** (math.floor(math.log10(abs(strictness))) + 1 - DIGITS)
        return max(float(f"{math.floor(strictness / step) * step:.12g}"), self.sign * self.now)


def limits_of(operators: Sequence[Operator]) -> list[Limit]:
    """The limits of filters, in order, but for those that are null and those of `fixed` scores."""
    return [
        Limit(number, operator.name, setting, scores, sign, getattr(operator.params, setting))
        for number, operator in enumerate(operators)
        if isinstance(operator, Filter)
        for setting, scores, sign in _sides(operator)
        if getattr(operator.params, setting) is not None
    ]


def _sides(operator: Filter) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(setting, the scores that it limits, sign), for a setting that limits from one side alone."""
    left = {*operator.scores, *operator.region_scores} - {*operator.fixed}
    pairs = {score: pair for score, pair in operator.limits.items() if score in left}
    for setting in operator.movable:
        lowest, highest = (
            tuple(score for score, pair in pairs.items() if pair[side] == setting)
            for side in (0, 1)
        )
        if bool(lowest) != bool(highest):
            yield setting, lowest or highest, 1 if lowest else -1


@dataclass(frozen=True)
class ScoredSample:
    """A region within all limits of its run: kept, or refused for its number (`max_regions`)."""

    row: Row
    number: int

    @property
    def id(self) -> str:
        return f"{self.row.id}-{self.number}"

    @property
    def region(self) -> Region:
        return self.row.regions[self.number]


class ScoredSamples:
    """The samples of a run, and what stricter limits would keep of them.

    strictness: [N, L] float, for each sample and limit the strictest value (times the limit's sign)
    that still lets it pass; inf where no value refuses it.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        limits: Sequence[Limit],
        samples: Sequence[ScoredSample],
    ) -> None:
        self.operators, self.limits, self.samples = operators, limits, samples
        strictness = [[self._strictest(limit, each) for limit in limits] for each in samples]
        self.strictness = np.array(strictness, float).reshape(len(samples), len(limits))
        by_row: dict[str, list[int]] = {}
        for n, sample in enumerate(samples):
            by_row.setdefault(sample.row.id, []).append(n)
        self.by_row: Mapping[str, list[int]] = by_row
        self._crowded = [
            numbers
            for numbers in by_row.values()
            if any(samples[n].region.status != "ok" for n in numbers)
        ]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def now(self) -> np.ndarray:
        """[L] float: the limits of the run."""
        return np.array([limit.sign * limit.now for limit in self.limits], float)

    def of_rows(self, rows: Iterable[str]) -> "ScoredSamples":
        """The samples of some rows alone."""
        numbers = [n for row in rows for n in self.by_row[row]]
        return ScoredSamples(self.operators, self.limits, [self.samples[n] for n in numbers])

    def kept(self, limits: np.ndarray) -> np.ndarray:
        """Which samples such limits keep, [N] bool. limits: [L] strictness, none below `now`."""
        within: np.ndarray = np.all(self.strictness >= limits, axis=1)
        number = self.limits[-1].number
        last = self._moved(
            number,
            {
                each.setting: each.value(strictness)
                for each, strictness in zip(self.limits, limits, strict=True)
                if each.number == number
            },
        )
        for numbers in self._crowded:  # where one sample goes, there may be room for another
            still = [n for n in numbers if within[n]]
            regions = [self.samples[n].number for n in still]
            within[still] = _passing(last, self.samples[numbers[0]].row, regions)
        return within

    def _strictest(self, limit: Limit, sample: ScoredSample) -> float:
        scores = {**sample.row.scores, **sample.region.scores}
        values = [scores[name] for name in limit.scores if name in scores]
        if not values:
            return float("inf")
        for value in sorted(values, key=lambda value: -limit.sign * value):
            moved = self._moved(limit.number, {limit.setting: value})
            if _passing(moved, sample.row, [sample.number])[0]:
                return limit.sign * value
        return limit.sign * limit.now

    def _moved(self, number: int, settings: Mapping[str, float]) -> Filter:
        """A filter of the run with other limits. They are not checked: nobody runs it."""
        operator = self.operators[number]
        assert isinstance(operator, Filter)
        return type(operator)(operator.params.model_copy(update=dict(settings)))


def scored_samples(operators: Sequence[Operator], rows: Iterable[Row]) -> ScoredSamples:
    """The samples of stored rows; none where no limit can be moved.

    What a limit of the run has refused has no later scores, so it is not among them: limits can be
    told to be stricter than the run's, not looser.
    """
    limits = limits_of(operators)
    samples: list[ScoredSample] = []
    if limits:
        number = limits[-1].number
        last, later = operators[number], operators[number + 1 :]
        complete = not any(READ & {*operator.writes} for operator in later)
        assert isinstance(last, Filter)
        for row in (row for row in rows if row.ok):
            samples += [ScoredSample(row, k) for k in _within(row, last, complete)]
    return ScoredSamples(operators, limits, samples)


def opened(operators: Sequence[Operator], limits: Sequence[Limit]) -> dict[str, float]:
    """The limits by their names, each as loose as its setting may be."""
    return {each.name: _loosest(operators[each.number], each) for each in limits}


def _loosest(operator: Operator, limit: Limit) -> float:
    schema = type(operator).Params.model_json_schema()["properties"][limit.setting]
    edge = "Minimum" if limit.sign > 0 else "Maximum"
    number = type(limit.now)
    for kind in schema.get("anyOf", [schema]):
        if edge.lower() in kind:
            return number(kind[edge.lower()])
        if f"exclusive{edge}" in kind:  # the edge itself is refused
            return limit.now
    return number(-limit.sign * FARTHEST)


def _within(row: Row, last: Filter, complete: bool) -> Iterator[int]:
    """Numbers of a row's regions that are within all limits. complete: a region that the last
    filter refused has all that a person reads."""
    for k, region in enumerate(row.regions):
        refused_by, _, _ = region.reason.partition(":")
        if region.status == "ok" or (
            complete and refused_by == last.name and _passing(last, row, [k])[0]
        ):
            yield k


def _passing(operator: Filter, row: Row, regions: Sequence[int]) -> list[bool]:
    """Whether a filter lets these regions of a row pass, by stored scores, were there no others."""
    alone = replace(
        row,
        values=dict(row.values),
        scores=dict(row.scores),
        regions=[replace(row.regions[k], status="ok", reason="") for k in regions],
    )
    if regions:
        operator.decide(alone)
    return [alone.ok and region.status == "ok" for region in alone.regions]
