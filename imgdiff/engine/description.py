"""What a run is made of, as `run.json` holds it: recipe, versions, models, input, operators."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from imgdiff.data.fields import in_order
from imgdiff.data.input import Input
from imgdiff.models.pipeline_parts import Weights
from imgdiff.models.revisions import part_key
from imgdiff.models.zoo import Binding
from imgdiff.operator import Filter, Operator, file_digest_of
from imgdiff.recipe.plan import Plan
from imgdiff.store.identity import package_version
from imgdiff.store.run_info import RunInfo, RunInput, RunModel, RunOperator, RunPhase

PACKAGES = (
    *("imgdiff", "datasets", "diffusers", "imagehash", "numpy", "opencv-python", "pillow"),
    *("pyarrow", "segment-anything", "torch", "transformers"),
)


def describe(plan: Plan, source: Input) -> RunInfo:
    """What a run is made of, but for the time it was started."""
    columns = [set(phase.columns) for phase in plan.phases]
    # pictures and captions of the input are stored with what is first made
    columns[0] |= set(source.columns) - plan.made
    stored = [tuple(in_order(names)) for names in columns]
    scorings = _scorings(plan, source, stored)
    return RunInfo(
        project_name=plan.recipe.project_name,
        recipe=plan.recipe.model_dump(mode="json"),
        versions={name: package_version(name) for name in PACKAGES},
        models={
            role: RunModel(
                name=model.name,
                revision=None if model.folder else model.revision,
                fingerprint=model.fingerprint(),
            )
            for bound, checkpoint in plan.models.items()
            for role, model in _with_parts(bound, checkpoint)
        },
        input=RunInput(
            path=source.path,
            revision=source.address.revision,
            rows=len(source),
            sha256=source.sha256,
        ),
        operators=tuple(
            _described(operator, phase.name)
            for phase in plan.phases
            for operator in phase.operators
        ),
        phases=tuple(
            RunPhase(
                name=phase.name,
                operators=tuple(operator.name for operator in phase.operators),
                selects=phase.selects,
                columns=names,
                thresholds={op.name: moved for op in phase.operators if (moved := _thresholds(op))},
                scoring=scoring,
            )
            for phase, names, scoring in zip(plan.phases, stored, scorings, strict=True)
        ),
        fields=tuple(plan.own_fields),
    )


def _with_parts(role: str, binding: Binding) -> Iterator[tuple[str, Binding | Weights]]:
    """A role's model, and what it has from elsewhere, each under its own key."""
    yield role, binding
    for name, part in binding.parts.items():
        yield part_key(role, name), part


def _scorings(plan: Plan, source: Input, columns: Sequence[Sequence[str]]) -> list[str]:
    """For each phase, with the columns it stores, a hash of all that its stored fields and scores
    come from: input, operators with their settings and models, but not the thresholds."""
    demand = plan.demand
    plain = replace(demand, known=None, kept_out=None)  # known follows from the models
    wanted = asdict(plain) | {
        "needed": sorted(demand.needed),
        "made": sorted(demand.made & source.address.fields.keys()),
    }
    del wanted["known"], wanted["kept_out"]
    so_far: list[Any] = [
        source.sha256,
        plan.recipe.columns,
        plan.recipe.shard_rows,
        wanted,
    ]
    if demand.kept_out:
        so_far.append(demand.kept_out.sha256)
    scorings = []
    for phase, names in zip(plan.phases, columns, strict=True):
        so_far.append(names)
        for operator in phase.operators:
            models = {role: plan.models[role].fingerprint() for role in operator.roles}
            aside = {"batch_size", *_thresholds(operator)}
            params = operator.params.model_dump(mode="json", exclude=aside)
            so_far.append([operator.name, operator.version, params, models])
            if digest := file_digest_of(type(operator)):
                so_far.append(digest)
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


def _described(operator: Operator, phase: str) -> RunOperator:
    params = operator.params.model_dump_json()
    return RunOperator(
        name=operator.name,
        version=operator.version,
        file_sha256=file_digest_of(type(operator)),
        phase=phase,
        params=operator.params.model_dump(mode="json"),
        params_sha256=hashlib.sha256(params.encode()).hexdigest(),
        roles=tuple(operator.roles),
        reads=tuple(operator.reads),
        writes=tuple(operator.writes),
        scores=tuple(operator.scores),
        region_scores=tuple(operator.region_scores),
        thresholds=dict(operator.thresholds()),
        any_of=operator.any_of,
    )
