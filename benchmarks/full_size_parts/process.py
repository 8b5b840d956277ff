"""One process of the measured run.

It does the recipe as `imgdiff run` does, with the limits of its operators opened, because models
with random weights would let nothing through, and measures phase by phase.
"""

import dataclasses
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from full_size_parts.meters import PeakMemory, TokenMeter, counted
from imgdiff import run
from imgdiff.console.progress import Progress, make_console
from imgdiff.data.input import Input
from imgdiff.engine.description import describe
from imgdiff.engine.survey import survey
from imgdiff.errors import COMPLETE, StoppedError
from imgdiff.models import zoo
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import Phase, Plan
from imgdiff.rehearsal.lenient import lenient
from imgdiff.store.run_dir import open_run

LIBRARIES = (
    "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
    "segment_anything.modeling",
    "transformers.generation.utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.blip.modeling_blip",
    "transformers.models.clip.modeling_clip",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.qwen3_vl.modeling_qwen3_vl",
    "transformers.models.vit.modeling_vit",
    "full_size_parts.process",
)


@dataclass(frozen=True)
class Job:
    """What a process is to do.

    Args:
        overrides: of the recipe.
        little: settings that are brought down, see `imgdiff.rehearsal.lenient`.
        until: the phase after which it stops; None: it goes on to the end.
        counts: whether the arithmetic of that phase is counted, which costs time.
    """

    recipe: str
    overrides: tuple[str, ...]
    little: dict[str, int]
    device: str
    until: str | None = None
    counts: bool = False


@dataclass
class PhaseFigures:
    """peak: bytes. seconds: of the operators, by name, the loading of models left out."""

    name: str
    peak: int = 0
    wall: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    read: int = 0
    written: int = 0
    answering: float = 0.0
    tflop: float = 0.0


class MeasuredProgress(Progress):
    """Follows the phases, as a person does, and measures each from its beginning to that of the
    next one: when the next one begins, the models of the one before are freed."""

    def __init__(self, console: Any, job: Job, tokens: TokenMeter) -> None:
        super().__init__(console)
        self.found: list[PhaseFigures] = []
        self._job, self._tokens = job, tokens
        self._peak = PeakMemory(job.device)
        self._counting = ExitStack()
        self._arithmetic: dict[str, float] = {}

    def begin_phase(self, name: str, shards: int, rows: int, done: Any) -> None:
        self.end_phase()
        if self.found and self.found[-1].name == self._job.until:
            raise StoppedError(f"only to the end of {self._job.until}")
        super().begin_phase(name, shards, rows, done)
        self.found.append(PhaseFigures(name))
        self._began, self._before = time.perf_counter(), dict(vars(self._tokens))
        self._peak.reset()
        if self._job.counts and name == self._job.until:
            self._counting.enter_context(counted(self._arithmetic))

    def end_shard(self, name: str, shard: int, manifest: Any) -> None:
        super().end_shard(name, shard, manifest)
        here = self.found[-1]
        operators = manifest["operators"]
        here.rows += operators[0]["rows_in"]
        for each in operators:
            here.seconds[each["name"]] = here.seconds.get(each["name"], 0.0) + each["seconds"]

    def end_phase(self) -> None:
        if not self.found or self.found[-1].peak:
            return
        here = self.found[-1]
        self._counting.close()
        here.peak, here.wall = self._peak.read(), time.perf_counter() - self._began
        here.tflop = self._arithmetic.get("tflop", 0.0)
        here.read = self._tokens.read - self._before["read"]
        here.written = self._tokens.written - self._before["written"]
        here.answering = self._tokens.seconds - self._before["seconds"]


def opened(plan: Plan, little: dict[str, int]) -> Plan:
    """The plan with the limits of its operators opened."""
    phases = tuple(
        Phase(phase.name, tuple(lenient(each, little) for each in phase.operators))
        for phase in plan.phases
    )
    return dataclasses.replace(plan, phases=phases)


def do(job: Job) -> dict[str, Any]:
    """The figures of the phases that were begun, and how the run ended."""
    plan = check(job.recipe, job.overrides)
    source = Input(plan.dataset)
    survey(plan, source)
    plan = opened(plan, job.little)
    console, tokens = make_console(), TokenMeter(job.device)
    progress = MeasuredProgress(console, job, tokens)
    ended: dict[str, Any] = {"ended": "whole", "failed": 0, "reasons": {}}
    with (
        mock.patch.object(zoo, "digest_of", str),  # to hash 17 GB is not what is measured
        open_run(Path(plan.recipe.export_path), describe(plan, source), restart=False) as folder,
        tokens.installed(),
        mock.patch.object(run, "Progress", return_value=progress),
    ):
        try:
            code = run.execute(console, plan, source, folder)
        except StoppedError as stop:
            if job.until is None:
                raise
            ended["ended"] = str(stop)
        else:
            ended |= {"failed": folder.report["rows"]["failed"]}
            ended["reasons"] = {k: v for k, v in folder.report["reasons"].items() if v}
            if code != COMPLETE:
                ended["ended"] = f"exit code {code}"
    progress.end_phase()
    return {"phases": [dataclasses.asdict(each) for each in progress.found], **ended}


def logged(job: Job, log: Path) -> dict[str, Any]:
    """`do`, with all that is printed in a file."""
    with log.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(out.fileno(), stream.fileno())
        return do(job)
