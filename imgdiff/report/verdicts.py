"""Why a row or a region was kept or refused: its scores by operator, beside their limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from imgdiff.data.rows import Region
from imgdiff.store.run_info import Bound, RunInfo, RunOperator

Standing = Literal["", "met", "missed", "decided"]
NO_BOUNDS: tuple[Bound, Bound] = (None, None)


@dataclass(frozen=True)
class ScoreLine:
    """A score. bounds: the lowest and the highest value that pass; None without a limit. standing:
    how it stands to them; `decided` if the refusal was for it, `missed` if it did no harm."""

    name: str
    value: float
    bounds: tuple[Bound, Bound] | None
    standing: Standing


@dataclass(frozen=True)
class Verdict:
    """What one operator left. operator: its name, empty where no operator of the run has left such
    scores. rule: in words, where not every limit has to be met. refused: whether it refused."""

    operator: str
    rule: str
    refused: bool
    lines: list[ScoreLine]


def region_verdicts(info: RunInfo, region: Region) -> list[Verdict]:
    """Of each operator that has scored a region, in their order."""
    refused_by = region.reason.partition(":")[0]
    known = {name for operator in info.operators for name in operator.region_scores}
    found = [
        verdict_of(operator, operator.region_scores, region.scores, refused_by == operator.name)
        for operator in info.operators
    ]
    others = [
        ScoreLine(name, value, None, "")
        for name, value in region.scores.items()
        if name not in known
    ]
    rest = [Verdict("", "", False, others)] if others else []
    return [each for each in found if each.lines or each.refused] + rest


def verdict_of(
    operator: RunOperator, names: Sequence[str], scores: Mapping[str, float], refused: bool
) -> Verdict:
    """Of the scores that bear these names."""
    there = [name for name in names if name in scores]
    groups = alternatives(operator, there)
    missed = {name for name in there if outside(scores[name], bounds_of(operator, name))}
    one_suffices = any(not missed & set(group) for group in groups)
    lines = []
    for name in there:
        bounds = operator.thresholds.get(name)
        standing: Standing = ""
        if bounds is not None:
            decided = refused and not one_suffices
            standing = ("decided" if decided else "missed") if name in missed else "met"
        lines.append(ScoreLine(name, scores[name], bounds, standing))
    return Verdict(operator.name, rule_words(groups), refused, lines)


def alternatives(operator: RunOperator, scores: Sequence[str]) -> list[list[str]]:
    """The groups of scores of which one suffices, of those that are there and have a limit; empty
    where there is no choice."""
    asked = {*scores} & operator.thresholds.keys()
    groups = [[name for name in group if name in asked] for group in operator.any_of]
    groups = [group for group in groups if group]
    return groups if len(groups) > 1 else []


def rule_words(groups: Sequence[Sequence[str]]) -> str:
    """`one of the two suffices`."""
    if not groups:
        return ""
    if all(len(group) == 1 for group in groups):
        count = "two" if len(groups) == 2 else str(len(groups))
        return f"one of the {count} suffices"
    return " or ".join(" and ".join(group) for group in groups).replace("_", " ") + " suffice"


def rules(info: RunInfo) -> dict[str, str]:
    """Score -> the rule that it falls under, for those of which not every one has to pass."""
    found: dict[str, str] = {}
    for operator in info.operators:
        groups = alternatives(operator, [*operator.scores, *operator.region_scores])
        found |= {name: rule_words(groups) for group in groups for name in group}
    return found


def deciding(verdicts: Sequence[Verdict]) -> Iterator[tuple[ScoreLine, str]]:
    """The scores for which something was refused, each with the rule that it fell under."""
    for each in verdicts:
        yield from ((line, each.rule) for line in each.lines if line.standing == "decided")


def bounds_of(operator: RunOperator, score: str) -> tuple[Bound, Bound]:
    return operator.thresholds.get(score, NO_BOUNDS)


def outside(value: float, bounds: Sequence[Bound]) -> bool:
    """Whether a score lies beyond a limit; ranges are closed."""
    low, high = bounds
    return (low is not None and value < low) or (high is not None and value > high)
