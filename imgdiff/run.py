"""`python -m imgdiff.run RECIPE [key=value ...]`: from a recipe to a finished run folder."""

import importlib
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from rich.console import Console

from imgdiff.cli import ended
from imgdiff.cli.run import call, parse
from imgdiff.console.progress import Progress, logging_to, make_console
from imgdiff.console.signals import stop_on_signals
from imgdiff.console.signs import Doing, Say
from imgdiff.data.input import Input
from imgdiff.data.readers import pinned_input
from imgdiff.doctor.examination import examine
from imgdiff.engine.description import describe
from imgdiff.engine.forecast import forecast
from imgdiff.engine.libraries import import_for_the_end
from imgdiff.engine.placement import Placed, in_sentences, needs_of, placed
from imgdiff.engine.selection import select
from imgdiff.engine.survey import survey, write_surveys
from imgdiff.errors import (
    COMPLETE,
    REFUSED,
    STOPPED,
    TOO_MANY_FAILED,
    RefusedError,
    StoppedError,
    missing_package,
)
from imgdiff.export.formats import ALWAYS, BuildingExport, Exported, print_exports
from imgdiff.models.machine import gpus
from imgdiff.models.revisions import pinned
from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.models.zoo import Endpoint
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import Plan
from imgdiff.recipe.schema import WorkerPool
from imgdiff.statistics.summary import (
    build_report,
    hints,
    print_forecast,
    print_plan,
    print_summary,
)
from imgdiff.store.duplicates import told
from imgdiff.store.endings import compare_with_input
from imgdiff.store.files import is_disk_full
from imgdiff.store.identity import recipe_changes
from imgdiff.store.retry import Retry
from imgdiff.store.run_dir import (
    RunDir,
    open_run,
    read_begun,
    recorded_input,
    recorded_revisions,
)
from imgdiff.store.shard_files import DamagedError

SHOWN_CHANGES = 5
SHOWN_NAMES = 12
log = logging.getLogger("imgdiff.run")  # by name: run as a module, `__name__` is another


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments, prog="python -m imgdiff.run")
    return ended(lambda: call(given))


def run_or_plan(
    recipe: str,
    overrides: Sequence[str],
    dry_run: bool,
    restart: bool,
    retry: Retry | None = None,
    trust: Trust = NOTHING_MORE,
    verify: bool = False,
) -> int:
    """Check the recipe, then run it or print its plan; returns the exit code.

    Raises:
        RefusedError: nothing was begun.
        StoppedError: it ended early; what is done is safe, and the same command goes on.
    """
    console = make_console()
    try:
        plan = check(recipe, overrides, trust)
        if not dry_run:
            return run_plan(console, plan, restart, retry, verify)
        plan, source, recorded = _with_input(plan, restart)
        show_plan(console, plan, source, None if restart else recorded, retry, verify)
        return COMPLETE
    except KeyboardInterrupt:
        print("stopped at once. Run again to resume.", file=sys.stderr)
        return STOPPED


def run_plan(
    console: Console, plan: Plan, restart: bool, retry: Retry | None = None, verify: bool = False
) -> int:
    """Run a checked recipe to its end; returns the exit code.

    verify: hash the files of complete shards first, those too that look untouched.

    Raises:
        RefusedError, StoppedError: as above.
    """
    if plan.recipe.executor_type == "ray" and find_spec("ray") is None:
        raise missing_package("ray", "ray")
    plan, source, recorded = _with_input(plan, restart)
    if plan.recipe.export.hub_repo:
        _require_hub_token()
    plan = replace(plan, models=pinned(plan.models, recorded, plan.asked))
    target = Path(plan.recipe.export_path)
    with open_run(target, describe(plan, source), restart, retry, verify) as folder:
        code = execute(console, plan, source, folder)
        if failed := folder.report["rows"]["failed"]:
            text = f"{failed} failed: the same command with --retry-failed runs these again"
            console.print(f"{text}, with --retry-failed=REASON some of them", soft_wrap=True)
        return code


def _with_input(plan: Plan, restart: bool) -> tuple[Plan, Input, dict[str, str | None]]:
    """The plan with its input as the run has had it so far, that input, and role -> the commit of
    the Hub that it has used."""
    target = Path(plan.recipe.export_path)
    dataset = pinned_input(plan.dataset, None if restart else recorded_input(target))
    plan, source = replace(plan, dataset=dataset), Input(dataset)
    source.refuse_without(plan.needed)
    survey(plan, source)
    return plan, source, {} if restart else recorded_revisions(target, plan.recipe.models)


def show_plan(
    console: Console,
    plan: Plan,
    source: Input,
    recorded: Mapping[str, str | None] | None,
    retry: Retry | None = None,
    verify: bool = False,
) -> None:
    """Print what a start would do; where a run was begun, also what it would use again.

    recorded: role -> the commit of the Hub that the run has used; None if it is to begin afresh.

    Raises:
        RefusedError: a start would be refused.
    """
    used = {role: plan.models[role] for role in plan.models if (recorded or {}).get(role)}
    plan = replace(plan, models=plan.models | pinned(used, recorded or {}, plan.asked))
    info, target = describe(plan, source), Path(plan.recipe.export_path)
    print_plan(console, plan, source, info)
    for line in (*_placement(plan), *plan.advice):
        console.print(line, soft_wrap=True)
    begun = None if recorded is None else read_begun(target, info)
    if begun is not None:
        forecasts = forecast(plan, RunDir(target, info, retry=retry, verify=verify), source)
        print_forecast(console, recipe_changes(begun, info), forecasts)


def execute(console: Console, plan: Plan, source: Input, folder: RunDir) -> int:
    """Do the shards that are to do, then write data, report and page."""
    with logging_to(folder.path / "run.log", console), stop_on_signals("the shard in hand") as stop:
        for line in plan.advice:
            log.warning("%s: %s", plan.path, line)
        if source.ignored:
            log.warning("%s: columns not used: %s", source.path, ", ".join(source.ignored))
        if source.unused:
            files = _some(source.unused, SHOWN_NAMES)
            log.warning("%s: files not used: %s", source.path, ", ".join(files))
        if folder.changed:
            changed = "; ".join(_some(folder.changed, SHOWN_CHANGES))
            log.info("changed since the last start: %s", changed)
        if (again := folder.redecidable_count()) or folder.done_count:
            done, total = folder.done_count, folder.total_count
            counts = f"{done} of {total} shards complete, {total - done} to do"
            if again:
                counts += f", {again} of them from stored scores"
            log.info("resuming %s: %s", folder.path, counts)
        if folder.files.retry is not None:
            log.info("%s", _retried(folder.failed(), folder.files.retry))
        _examine(plan, folder)
        try:
            write_surveys(plan, folder.store)
            if folder.done_count < folder.total_count:
                import_for_the_end()
            exports = _until_whole(console, plan, source, folder, stop)
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise StoppedError(folder.no_space_left()) from error
    print_summary(console, folder.report)
    if exports:
        print_exports(console, exports)
    refused_all = list(hints(folder.info, folder.report))
    for hint in refused_all:
        console.print(hint, soft_wrap=True)
    if refused_all:
        text = f"Limits that fit the models are found by: imgdiff calibrate {folder.path}"
        console.print(text, soft_wrap=True)
    console.print(f"{folder.path}/report.html", soft_wrap=True)
    code, settings = _judge(folder), plan.recipe.export
    if settings.hub_repo is None or code != COMPLETE:
        return code
    pushed = push(console, folder, settings.hub_repo, settings.private)
    return COMPLETE if pushed == COMPLETE else STOPPED  # there has been work: it is not refused


def _until_whole(
    console: Console, plan: Plan, source: Input, folder: RunDir, stop: threading.Event
) -> list[Exported]:
    """Do the shards, and finish. A file that is found damaged as it is read is made anew, once."""
    redone = set[tuple[int, int]]()
    while True:
        try:
            with Progress(console) as progress:
                _engine(plan.recipe.executor_type).run(plan, source, folder, progress, stop)
                select(plan, folder, progress, stop)
                compare_with_input(folder, source.ids)
                return finish(folder, progress.say)
        except DamagedError as damaged:
            place = damaged.phase, damaged.shard
            if place in redone:
                raise
            redone.add(place)
            log.warning("phase %d, shard %d: its file is damaged and is made anew", *place)
            folder.redo(damaged)


def _retried(failed: Mapping[str, int], retry: Retry) -> str:
    """Which failed rows are run again, in words. failed: reason -> rows."""
    again = {why: count for why, count in failed.items() if retry.covers(why)}
    if again or not failed:
        named = ", ".join(f"{count} {why}" for why, count in sorted(again.items()))
        return f"failed rows to run again: {named or 'none'}"
    return f"no row failed as {retry.reason}; rows failed as {', '.join(sorted(failed))}"


def _placement(plan: Plan) -> list[str]:
    """How the phases of large models would share this machine's GPUs."""
    there = gpus()
    sizes = examine(plan, there, ask=False).sizes
    if not any(size.is_full_size for size in sizes.values()):
        return []
    needs = needs_of(plan.phases, sizes, plan.models)
    if not there:
        return ["no GPU on this machine: the phases are planned where there are some"]
    smallest = min(gpu.total for gpu in there)
    if plan.recipe.executor_type == "ray" and not plan.recipe.phases:
        return in_sentences(needs, placed(needs, smallest, len(there)))
    alone = WorkerPool(num_gpus=1)  # the local engine: one process, phase after phase
    return in_sentences(needs, [Placed(need.phase, k, alone) for k, need in enumerate(needs)])


def _examine(plan: Plan, folder: RunDir) -> None:
    """What `imgdiff doctor` tells, of the phases whose models have to run.

    Raises:
        RefusedError: the run would fail.
    """
    fresh = [phase.name for number, phase in enumerate(plan.phases) if folder.is_fresh(number)]
    later = {role for phase in plan.phases if phase.name in fresh[1:] for role in phase.roles}
    asked = any(isinstance(plan.models[role], Endpoint) for role in later)
    found = examine(plan, gpus(), fresh, ask=asked)  # what the first phase asks answers at once
    if any(size.is_full_size for size in found.sizes.values()):
        for finding in found.findings:
            log.info("%s", finding.text)
    # what cannot be told here is not on this disk: other machines of a cluster may have it
    alone = plan.recipe.executor_type == "local"
    wrong = [each.text for each in found.findings if each.is_wrong or (alone and each.is_open)]
    if wrong:
        raise RefusedError("\n".join(wrong))


def push(console: Console, folder: RunDir, repo: str, private: bool) -> int:
    """Push what a finished run has made; returns the exit code. The run itself stays complete."""
    from imgdiff.export.hub import publish

    with logging_to(folder.path / "run.log", console):
        try:
            publish(console, folder, repo, private)
        except (RefusedError, StoppedError) as problem:
            log.debug("not pushed: %s", problem)
            print(problem, file=sys.stderr)
            return REFUSED if isinstance(problem, RefusedError) else STOPPED
    return COMPLETE


def _require_hub_token() -> None:
    """Hours of work should not end for want of a token."""
    from imgdiff.export.hub import require_token

    require_token()


def _some(texts: Sequence[str], most: int) -> list[str]:
    more = len(texts) - most
    return [*texts[:most], *([f"and {more} more"] if more > 0 else [])]


def _engine(name: str) -> ModuleType:
    """The module of an engine, imported when it is used: Ray takes seconds."""
    return importlib.import_module(f"imgdiff.engine.{name}")


def finish(folder: RunDir, say: Say) -> list[Exported]:
    """Turn complete shards into what people use: `report.json`, data, the page and exports.

    say: called where something begins that may take long.
    """
    from imgdiff.export.dataset import BuildingDataset
    from imgdiff.report.page import Noted, write_report

    folder.tidy()
    fraction = folder.info.validation_fraction
    folder.report = build_report(folder)
    if same := told(folder.report["duplicates"], SHOWN_CHANGES):
        log.warning("%s: %s", folder.info.input.path, same)
    wanted = folder.info.formats if folder.report["samples"] else ()
    names = [name for name in dict.fromkeys(wanted) if name != ALWAYS]
    dataset, noted = BuildingDataset(folder, fraction), Noted()
    with ExitStack() as open_exports:
        exports = [
            open_exports.enter_context(
                BuildingExport(folder, name, folder.path / "export" / name, fraction)
            )
            for name in names
        ]
        say(Doing("writing " + ", ".join(["data/", *(f"export/{name}/" for name in names)])))
        for shard in range(folder.shard_count):
            rows = folder.rows(shard)  # read once for all of them
            dataset.add(rows)
            noted.add(shard, rows)
            for each in exports:
                each.add(rows)
        dataset.close()
        say(Doing("writing report.html"))
        write_report(folder, noted)
        folder.write_report(folder.report)  # after these two, for which it vouches
        return [each.close() for each in exports]


def _judge(folder: RunDir) -> int:
    failed, total = folder.report["rows"]["failed"], folder.report["rows"]["total"]
    limit = folder.info.max_failed_fraction
    if failed <= limit * total:
        return COMPLETE
    text = f"{failed} of {total} rows failed, limits.max_failed_fraction is {limit:g}."
    print(f"{text} See {folder.path}/dropped.", file=sys.stderr)
    return TOO_MANY_FAILED


if __name__ == "__main__":
    sys.exit(main())
