"""What a run is made of, as `run.json` holds it: recipe, versions, models, input, operators."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from imgdiff.data.fields import in_order
from imgdiff.data.input import Input
from imgdiff.operator import Filter, Operator
from imgdiff.recipe.plan import Plan
from imgdiff.store.identity import package_version

PACKAGES = (
    *("imgdiff", "datasets", "diffusers", "imagehash", "numpy", "opencv-python", "pillow"),
    *("pyarrow", "segment-anything", "torch", "transformers"),
)


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
