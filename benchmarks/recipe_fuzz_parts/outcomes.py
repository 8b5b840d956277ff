"""What becomes of a mutant: refused with problems, accepted, run, or crashed."""

import contextlib
import io
import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from imgdiff.cli import main
from imgdiff.errors import RefusedError
from imgdiff.recipe.check import check
from imgdiff.run import run_or_plan
from imgdiff.training.check import check_training

REFUSED, ACCEPTED, RUN, CRASHED = "refused", "accepted", "run", "crashed"
LONGEST = 10.0  # CPU seconds of one mutant
LONGEST_LINE = 300  # characters of a traceback
CODES = (0, 1, 2, 3)  # of a run or a verb


class Outcome(NamedTuple):
    """what: one of the four. text: of a crash, the last of its traceback."""

    what: str
    text: str = ""


def checked(path: Path) -> Outcome:
    """A recipe of data, checked alone."""
    return _watched(lambda: _checked(path))


def trained(path: Path) -> Outcome:
    """A recipe of a training, checked alone."""
    return _watched(lambda: str(check_training(path)) and ACCEPTED)


def run(path: Path, kept: Sequence[str]) -> Outcome:
    """A recipe of data, run to its end if it needs no model and no Ray; of the current folder
    nothing but the names in `kept` is left."""

    def act() -> str:
        plan = check(path)
        if plan.models or plan.recipe.executor_type != "local":
            return ACCEPTED
        code = run_or_plan(str(path), [], dry_run=False, restart=False)
        assert code in CODES, f"exit code {code}"
        return RUN

    outcome = _watched(act)
    for name in os.listdir():
        if name not in kept:
            shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()
    return outcome


def called(arguments: Sequence[str]) -> Outcome:
    """A command line."""

    def act() -> str:
        try:
            code = main(arguments)
        except SystemExit as end:  # of argparse
            code = end.code
        assert code in CODES, f"exit code {code}"
        return RUN if code == 0 else REFUSED

    return _watched(act)


def _checked(path: Path) -> str:
    check(path)
    return ACCEPTED


def _watched(act: Callable[[], str]) -> Outcome:
    began = time.process_time()
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # as strict as the real ones are
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            found = act()
    except RefusedError:
        found = REFUSED
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        lines = traceback.format_exception(error)[-3:]
        return Outcome(CRASHED, "".join(line[:LONGEST_LINE] for line in lines))
    seconds = time.process_time() - began
    if seconds > LONGEST:
        return Outcome(CRASHED, f"it took {seconds:.1f} s")
    return Outcome(found)
