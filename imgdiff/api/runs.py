"""Recipes run from Python, and what came out: its pairs and samples, to look at."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import yaml

from imgdiff.console.progress import make_console
from imgdiff.data.fields import pictures
from imgdiff.data.rows import Row
from imgdiff.errors import TOO_MANY_FAILED, TooManyFailedError
from imgdiff.export.samples import Sample, samples
from imgdiff.export.split import Split
from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.recipe.check import check
from imgdiff.run import run_plan
from imgdiff.store.retry import Retry
from imgdiff.store.run_dir import REPORT, RunDir, open_complete

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN = 8  # pairs or samples that a notebook shows of many
T = TypeVar("T")


def run_recipe(
    recipe: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    restart: bool = False,
    retry_failed: bool | str = False,
    verify: bool = False,
    trust: Trust = NOTHING_MORE,
    **more: Any,
) -> "Run":
    """Run a recipe to its end, or resume its run: the same as `python -m imgdiff.run`.

    Args:
        recipe: a YAML file.
        settings: settings of the recipe in place of its own, by the names of the command line:
            `{"sdxl_prompt2prompt_mapper.num_inference_steps": 20}`.
        restart: delete what the run folder holds and begin again.
        retry_failed: run rows that failed once more, all (True) or those of a reason.
        verify: hash the files of complete shards first, those too that look untouched.
        trust: what is allowed, as the command line says it: code of models, servers' keys.
        more: settings without a dot in their names: `limit=8, export_path="outputs/mine"`.

    Raises:
        RefusedError: nothing was begun; the message says what to change.
        StoppedError: it ended early; what is done is safe, and the same call goes on.
        TooManyFailedError: it is complete, but more rows failed than the recipe allows.
    """
    given = {**(settings or {}), **more}
    plan = check(recipe, [f"{name}={_as_yaml(value)}" for name, value in given.items()], trust)
    reason = retry_failed if isinstance(retry_failed, str) else ""
    code = run_plan(make_console(), plan, restart, Retry(reason) if retry_failed else None, verify)
    run = Run(Path(plan.recipe.export_path))
    if code == TOO_MANY_FAILED:
        failed = run.report["rows"]["failed"]
        raise TooManyFailedError(f"{failed} rows failed. Look at them: imgdiff.Run({str(run)!r})")
    return run


@dataclass(frozen=True)
class Run:
    """A run that is complete, to read from. Rows are read when they are asked for.

    path: the run folder.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def report(self) -> dict[str, Any]:
        """Counts, scores and times: what `report.json` holds."""
        found: dict[str, Any] = json.loads((self.path / REPORT).read_text())
        return found

    @cached_property
    def pairs(self) -> "LazyRows[Row]":
        """The rows that were kept, in the order of the input."""
        return LazyRows(self._folder, lambda row: int(row.ok), lambda row: [row])

    @cached_property
    def dropped(self) -> "LazyRows[Row]":
        """The rows that were rejected or failed, each with its reason."""
        return LazyRows(self._folder, lambda row: int(not row.ok), lambda row: [row])

    @cached_property
    def samples(self) -> "LazyRows[Sample]":
        """What a trainer learns from: a question about drawn pictures and its answer."""
        info = self._folder.info
        split = Split(info.seed, info.validation_fraction)
        return LazyRows(
            self._folder,
            lambda row: sum(bool(region.conversations) for region in row.kept_regions) * row.ok,
            lambda row: list(samples(row, "joined", split)),
        )

    def dataset(self, name: str = "pairs", split: str = "train") -> "Dataset":
        """`data/` by the `datasets` library. name: `pairs` or `samples`."""
        from datasets import load_dataset

        return load_dataset(str(self.path / "data"), name, split=split)

    @cached_property
    def _folder(self) -> RunDir:
        return open_complete(self.path)

    def _repr_html_(self) -> str:
        rows, page = self.report["rows"], self.path / "report.html"
        counts = ", ".join(f"{rows[name]} {name}" for name in ("ok", "rejected", "failed"))
        text = f"{rows['total']} rows: {counts}; {self.report['samples']} samples"
        return f'<p>{escape(text)}<br><a href="{escape(str(page))}">{escape(str(page))}</a></p>'


class LazyRows(Sequence[T], Generic[T]):
    """Things of a run's rows, in order, read from its files one shard at a time."""

    def __init__(
        self, folder: RunDir, count: Callable[[Row], int], made_of: Callable[[Row], list[T]]
    ) -> None:
        """count: how many things a row gives, told without its pictures. made_of: these things."""
        self._folder, self._count, self._made_of = folder, count, made_of
        self._shard, self._rows = -1, list[Row]()

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        shard, row, number = self._places[index]
        if shard != self._shard:
            self._shard, self._rows = shard, self._folder.rows(shard)
        return self._made_of(self._rows[row].copy())[number]

    def _repr_html_(self) -> str:
        shown = "".join(each._repr_html_() for each in self[:SHOWN])  # type: ignore[attr-defined]
        more = f"<p>and {len(self) - SHOWN} more</p>" if len(self) > SHOWN else ""
        return f"<div>{shown or 'none'}</div>{more}"

    @cached_property
    def _places(self) -> list[tuple[int, int, int]]:
        """Shard, place of the row in it, and number of the thing in that row."""
        unread = pictures(self._folder.info.known_fields)
        return [
            (shard, place, number)
            for shard in range(self._folder.shard_count)
            for place, row in enumerate(self._folder.rows(shard, unread))
            for number in range(self._count(row))
        ]


def _as_yaml(value: Any) -> str:
    """A setting as it is written behind `key=`."""
    plain = str(value) if isinstance(value, Path) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()
