"""Fixtures of small projects, whose operators need no model."""

import gc
import os

import pytest
from small_project import LIGHT_OPERATORS, Project

from imgdiff.operator import load_operator_file, registry

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core has one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")

DIAL_OPERATORS = LIGHT_OPERATORS.with_name("dial_operators.py")
ODD_OPERATORS = LIGHT_OPERATORS.with_name("odd_operators.py")
DIAL_CAPTIONS = [
    "a red ball and another",
    "ball",
    "two unscored areas",
    "bad",
    "the greatest difference of all",
    "we saw five blue cars here",
    "on it is no",
    "tiny",
    "everything everywhere immediately",
    "",
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def model_hub(tmp_path, monkeypatch):
    """A server in the place of the Hub, for models to be published on and loaded from."""
    from hub_server import HubServer  # most tests need none of the Hub's library

    server = HubServer()
    server.take_the_place_of_the_hub(monkeypatch, tmp_path / "hub-cache")
    # transformers' own client, which keeps to the address that it first had
    monkeypatch.setattr("transformers.utils.hub._hf_api", None, raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield server
    server.close()


@pytest.fixture
def light():
    """The light operators by name."""
    load_operator_file(LIGHT_OPERATORS)
    return registry()


@pytest.fixture
def dial(project):
    """A finished run of three phases, whose operators note each row that they run on."""
    project.write_captions(
        [{"id": f"cap-{k}", "caption": c} for k, c in enumerate(DIAL_CAPTIONS * 2)]
    )
    lights = project.settings["operators"]
    project.write_recipe(
        operators=[*lights, str(DIAL_OPERATORS)],
        limits={"max_failed_fraction": 1.0},
        shard_rows=6,
        process=[
            {"light_edit_mapper": None},
            {"light_image_mapper": None},
            {"light_length_filter": {"min_score": 0.05, "max_score": 0.35}},
            {"dial_find_mapper": None},
            {"dial_width_filter": {"min_width": 0.25, "most": 3}},
            {"dial_name_mapper": None},
            {"dial_name_filter": {"min_width": 0.5}},
        ],
    )
    project.finish()
    return project


@pytest.fixture
def odd(project):
    """Six rows, the fourth of which is odd."""
    captions = ["a", "b", "c", "odd", "e", "f"]
    project.write_captions([{"id": f"cap-{c}", "caption": c, "objects": ["car"]} for c in captions])
    project.settings |= {
        "operators": [str(LIGHT_OPERATORS), str(ODD_OPERATORS)],
        "limits": {"max_failed_fraction": 0.5},
        "shard_rows": 4,
    }
    return project


def pytest_collection_finish():
    """What is imported by now stays: a run, which frees models by collecting garbage after every
    phase, need not look through it."""
    gc.freeze()


def pytest_sessionfinish():
    gc.unfreeze()
