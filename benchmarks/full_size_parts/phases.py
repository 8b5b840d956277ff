"""The recipe in one process, and each of its phases in a process of its own."""

import dataclasses
import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from full_size_parts.checkpoints import checkpoint
from full_size_parts.process import LIBRARIES, Job, logged
from full_size_parts.shapes import Shape
from imgdiff.models.zoo import Checkpoint
from imgdiff.recipe.check import check

ROOT = Path(__file__).parents[2]
CAPTIONS = ROOT / "recipes" / "data" / "photo_captions.jsonl"
# on the CPU: what is left out is more of the same
LITTLE = {"num_inference_steps": 2, "points_per_side": 2, "max_new_tokens": 8, "tries": 1}
SIDE = 128  # pixels of the pictures that are drawn on the CPU


@dataclass(frozen=True)
class Setup:
    """What is run. layers: of language models; None: all of theirs. pairs: rows."""

    recipe: Path
    device: str
    cache: Path
    shapes: Mapping[str, Shape]
    layers: int | None
    pairs: int


def models(setup: Setup) -> dict[str, tuple[Checkpoint, int]]:
    """Role -> a checkpoint in the cache, and its parameters.

    Raises:
        SystemExit: the recipe names a model of unknown shape.
    """
    corpus = [json.loads(line)["caption"] for line in CAPTIONS.read_text("utf-8").splitlines()]
    made: dict[str, tuple[Checkpoint, int]] = {}
    for role, binding in check(setup.recipe).models.items():
        shape = setup.shapes.get(binding.name)
        if shape is None:
            known = ", ".join(setup.shapes)
            raise SystemExit(f"{setup.recipe}: the shape of {binding.name} is not known; {known}")
        layers = min(setup.layers or shape.layers, shape.layers)
        folder = setup.cache / f"{binding.name.replace('/', '--')}-{layers}"
        parameters = checkpoint(shape, layers, folder, corpus)
        # float16 is no dtype for a CPU
        half = setup.device == "cpu" and binding.dtype == "float16"
        dtype = "bfloat16" if half else binding.dtype
        made[role] = Checkpoint(name=str(folder), dtype=dtype, device=setup.device), parameters
    return made


def overrides(setup: Setup, bound: Mapping[str, Checkpoint], run: Path) -> tuple[str, ...]:
    """Of the recipe."""
    less = (f"sdxl_prompt2prompt_mapper.side={SIDE}", "image_segment_mapper.images=a")
    fields = {role: (model.name, model.dtype, model.device) for role, model in bound.items()}
    return (
        f"export_path={run}",
        f"dataset_path={CAPTIONS}",
        "executor_type=local",
        f"limit={setup.pairs}",
        f"shard_rows={setup.pairs}",
        *(less if setup.device == "cpu" else ()),
        *(
            f"models.{role}={{name: {name}, dtype: {dtype}, device: {device}}}"
            for role, (name, dtype, device) in fields.items()
        ),
    )


def measure(setup: Setup, bound: Mapping[str, Checkpoint], work: Path) -> list[dict[str, Any]]:
    """The figures of the phases that load models, see `PhaseFigures`, with `alone`: the most memory
    of the phase in a process of its own, which finds stored what the phases before it have made."""
    little = LITTLE if setup.device == "cpu" else {}
    job = Job(str(setup.recipe), overrides(setup, bound, work / "together"), little, setup.device)
    loading = {phase.name for phase in check(setup.recipe).phases if phase.loaded_roles}
    together = _process(job, work / "together.log")
    if together["ended"] != "whole" or together["failed"]:
        raise SystemExit(f"the run did not end well: {json.dumps(together)}")
    found = [each for each in together["phases"] if each["name"] in loading]
    given = overrides(setup, bound, work / "alone")
    for each in found:
        only = dataclasses.replace(job, overrides=given, until=each["name"], counts=True)
        here = _process(only, work / f"{each['name']}.log")["phases"][-1]
        assert here["name"] == each["name"]
        each |= {"alone": here["peak"], "tflop": here["tflop"]}
    return found


def _process(job: Job, log: Path) -> dict[str, Any]:
    """What a process of its own finds; what it prints goes into a file.

    It is forked from one that has imported the libraries and nothing else, so that these count on
    both sides: a library that a phase has imported stays.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES])
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        return pool.submit(logged, job, log).result()
