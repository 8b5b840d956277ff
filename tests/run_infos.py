"""What a run is made of, for tests that make things from a finished run and run nothing."""

from typing import Any

from imgdiff.store.run_info import RunInfo, info_of


def run_info(stored: dict[str, Any]) -> RunInfo:
    """As `run.json` holds it."""
    info = info_of(stored)
    assert info is not None
    return info
