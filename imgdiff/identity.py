"""What ties a run folder to a recipe, models and an input: `run.json`, and what may not change."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imgdiff.engines import Plan, region_scores, row_scores
from imgdiff.input import Input
from imgdiff.operator import Filter, Operator, Selector
from imgdiff.rows import FIELDS

PACKAGES = (
    *("imgdiff", "datasets", "diffusers", "imagehash", "numpy", "opencv-python", "pillow"),
    *("pyarrow", "segment-anything", "torch", "transformers"),
)
SHOWN_CHANGES = 12
WAY_OUT = "Use a new export_path, or --restart to delete it."


def describe(plan: Plan, source: Input) -> dict[str, Any]:
    """The content of `run.json`, but for the time it was started."""
    phases = [{"name": p.name, "operators": [o.name for o in p.operators]} for p in plan.phases]
    for number, phase in enumerate(plan.phases):
        written = set(phase.columns)
        if number == 0:  # pictures and captions of the input are stored with what is first made
            written |= set(source.columns) - plan.made
        phases[number]["columns"] = [name for name in FIELDS if name in written]
    return {
        "project_name": plan.recipe.project_name,
        "recipe": plan.recipe.model_dump(mode="json"),
        "versions": {name: _version(name) for name in PACKAGES},
        "models": {
            role: {
                "name": checkpoint.name,
                "revision": None if checkpoint.folder else checkpoint.revision,
                "fingerprint": checkpoint.fingerprint(),
            }
            for role, checkpoint in plan.models.items()
        },
        "input": {
            "path": source.path,
            "revision": source.address.revision,
            "rows": len(source),
            "sha256": source.sha256,
        },
        "operators": [
            _describe_operator(operator, phase.name)
            for phase in plan.phases
            for operator in phase.operators
        ],
        "phases": phases,
    }


def changes(begun: dict[str, Any], info: dict[str, Any]) -> str | None:
    """Why a folder begun with `begun` cannot go on with `info`, in words; None if it can.

    A higher `limit` goes on: shards are cut from the whole input, so more rows only add to them.
    """
    old, new = begun["input"], info["input"]
    if old["sha256"] != new["sha256"]:
        rows = f"{new['path']} has {new['rows']:,} rows, had {old['rows']:,} (sha256 differs)"
        return f"this folder was made from another input: {rows}. {WAY_OUT}"
    lines = list(_differences(_identity(begun), _identity(info)))
    old_limit, new_limit = begun["recipe"]["limit"], info["recipe"]["limit"]
    if new_limit is not None and (old_limit is None or new_limit < old_limit):
        lines.append(f"limit: {_show(old_limit)} -> {new_limit} (it can only be raised)")
    if not lines:
        return None
    if len(lines) > SHOWN_CHANGES:
        lines[SHOWN_CHANGES:] = [f"and {len(lines) - SHOWN_CHANGES} more"]
    return "\n  ".join(["this folder was made by another recipe:", *lines]) + f"\n{WAY_OUT}"


def _identity(info: dict[str, Any]) -> dict[str, Any]:
    """What must stay the same; a folder may be moved, and go on elsewhere."""
    free = ("limit", "export_path", "executor_type", "ray_address", "phases", "export")
    recipe = {key: value for key, value in info["recipe"].items() if key not in free}
    versions = {operator["name"]: operator["version"] for operator in info["operators"]}
    models = {role: model["fingerprint"] for role, model in info["models"].items()}
    return recipe | {"version": versions, "fingerprint": models}


def _differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """`dotted.key: old -> new` for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from _differences(before, after, f"{key}[{index}]")
    elif old != new:
        yield f"{key}: {_show(old)} -> {_show(new)}"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return "none" if value is None else str(value)


def _describe_operator(operator: Operator, phase: str) -> dict[str, Any]:
    params = operator.params.model_dump_json()
    return {
        "name": operator.name,
        "version": operator.version,
        "phase": phase,
        "params": operator.params.model_dump(mode="json"),
        "params_sha256": hashlib.sha256(params.encode()).hexdigest(),
        "roles": list(operator.roles),
        "reads": list(operator.reads),
        "writes": list(operator.writes),
        "scores": list(row_scores(operator)),
        "region_scores": list(region_scores(operator)),
        "thresholds": operator.thresholds() if isinstance(operator, Filter | Selector) else {},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
