"""What a finished run hands out; one file a format."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from imgdiff.data.rows import Row
    from imgdiff.store.run_info import RunInfo


class FinishedRun(Protocol):
    """A run whose shards are all complete, as exports and the report see it.

    path: the run folder. report: `report.json`.
    """

    path: Path
    info: "RunInfo"
    report: dict[str, Any]
    shard_count: int

    def rows(self, shard: int, leave_out: Collection[str] = ()) -> list["Row"]:
        """The final rows of one shard: every region, images as bytes, every field but those to
        leave out."""
        ...
