"""Every benchmark can be started: what it imports is there, and it has a `main`."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = {"arguments", "plots", "rendered"}  # by several of them; no benchmark itself


@pytest.mark.parametrize("name", sorted({f.stem for f in BENCHMARKS.glob("*.py")} - SHARED))
def test_it_can_be_started(name):
    assert callable(importlib.import_module(name).main)
