"""What ties a run folder to a recipe, models and an input: `run.json`, and what a change costs."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imgdiff.data.fields import in_order
from imgdiff.data.input import Input
from imgdiff.engine import Plan
from imgdiff.operator import INHERITED, Filter, Operator

PACKAGES = (
    *("imgdiff", "datasets", "diffusers", "imagehash", "numpy", "opencv-python", "pillow"),
    *("pyarrow", "segment-anything", "torch", "transformers"),
)
WAY_OUT = "Use a new export_path, or --restart to delete it."


def describe(plan: Plan, source: Input) -> dict[str, Any]:
    """The content of `run.json`, but for the time it was started."""
    phases: list[dict[str, Any]] = [
        {"name": p.name, "operators": [o.name for o in p.operators], "selects": p.selects}
        for p in plan.phases
    ]
    for number, phase in enumerate(plan.phases):
        written = set(phase.columns)
        if number == 0:  # pictures and captions of the input are stored with what is first made
            written |= set(source.columns) - plan.made
        phases[number]["columns"] = in_order(written)
        phases[number]["thresholds"] = {
            operator.name: moved for operator in phase.operators if (moved := _thresholds(operator))
        }
    for described, scoring in zip(phases, _scorings(plan, source, phases), strict=True):
        described["scoring"] = scoring
    return {
        "project_name": plan.recipe.project_name,
        "recipe": plan.recipe.model_dump(mode="json"),
        "versions": {name: package_version(name) for name in PACKAGES},
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
        "fields": [asdict(field) for field in plan.own_fields],
    }


def refusal(begun: dict[str, Any], info: dict[str, Any]) -> str | None:
    """Why a folder begun with `begun` cannot go on with `info`, in words; None if it can.

    Only another input is refused: of another recipe, what it leaves as it was is used again.
    """
    old, new = begun["input"], info["input"]
    if old["sha256"] == new["sha256"]:
        return None
    rows = f"{new['path']} has {new['rows']:,} rows, had {old['rows']:,} (sha256 differs)"
    return f"this folder was made from another input: {rows}. {WAY_OUT}"


def changes(begun: dict[str, Any], info: dict[str, Any]) -> list[str]:
    """`dotted.key: old -> new` for every setting, version and model that differs."""
    lines = list(differences(_settings(begun), _settings(info)))
    names = [[operator["name"] for operator in each["operators"]] for each in (begun, info)]
    if not lines and names[0] != names[1]:
        lines.append(f"process: in another order, {', '.join(names[1])}")
    return lines


def _settings(info: dict[str, Any]) -> dict[str, Any]:
    """What a run's result depends on; a folder may be moved, and go on elsewhere, and what
    operators inherit counts with their settings."""
    free = ("export_path", "executor_type", "ray_address", "phases", "export", *INHERITED)
    recipe = {key: value for key, value in info["recipe"].items() if key not in free}
    steps = {name: each for step in recipe["process"] for name, each in step.items()}
    versions = {operator["name"]: operator["version"] for operator in info["operators"]}
    models = {role: model["fingerprint"] for role, model in info["models"].items()}
    return recipe | {"process": steps, "version": versions, "fingerprint": models}


def differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """`dotted.key: old -> new` for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from differences(before, after, f"{key}[{index}]")
    elif isinstance(old, dict) and new is None:
        yield f"{key}: removed"
    elif isinstance(new, dict) and old is None:
        yield f"{key}: added"
    elif old != new:
        yield f"{key}: {_show(old)} -> {_show(new)}"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _scorings(plan: Plan, source: Input, phases: list[dict[str, Any]]) -> list[str]:
    """For each phase a hash of all that its stored fields and scores come from: input, operators
    with their settings and models, but not the thresholds."""
    demand = plan.demand
    wanted = asdict(demand) | {
        "needed": sorted(demand.needed),
        "made": sorted(demand.made & source.address.fields.keys()),
    }
    so_far: list[Any] = [
        source.sha256,
        plan.recipe.columns,
        plan.recipe.shard_rows,
        wanted,
    ]
    scorings = []
    for phase, described in zip(plan.phases, phases, strict=True):
        so_far.append(described["columns"])
        for operator in phase.operators:
            models = {role: plan.models[role].fingerprint() for role in operator.roles}
            aside = {"batch_size", *_thresholds(operator)}
            params = operator.params.model_dump(mode="json", exclude=aside)
            so_far.append([operator.name, operator.version, params, models])
            if operator.surveyed is not None:
                so_far.append(operator.surveyed)
            if operator.fields:
                so_far.append([[each.name, each.kind, each.given_by] for each in operator.fields])
        text = json.dumps(so_far, sort_keys=True)
        scorings.append(hashlib.sha256(text.encode()).hexdigest())
    return scorings


def _thresholds(operator: Operator) -> dict[str, Any]:
    """The settings that can be moved without scoring again."""
    names = set(operator.movable) if isinstance(operator, Filter) else set()
    return dict(operator.params.model_dump(mode="json", include=names))


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
        "scores": list(operator.scores),
        "region_scores": list(operator.region_scores),
        "thresholds": operator.thresholds(),
    }


def package_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
