"""Which failed rows a run does again, because a person asked for it."""

from collections.abc import Iterable
from dataclasses import dataclass

from imgdiff.data.input import OPERATOR as INPUT


@dataclass(frozen=True)
class Retry:
    """reason: of the rows, such as `operator_error` or `nsfw_filter: operator_error`; empty: all
    that failed."""

    reason: str = ""

    def covers(self, reason: str) -> bool:
        """Whether rows that failed for this reason are done again."""
        return self.reason in ("", reason, reason.partition(": ")[2])


def ended_in(reason: str, phase: int, operators: Iterable[str]) -> bool:
    """Whether rows that ended for a reason did so in the phase of that number and operators."""
    by = reason.partition(": ")[0]
    return by in operators or (by == INPUT and not phase)
