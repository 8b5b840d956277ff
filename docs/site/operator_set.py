"""`python docs/site/operator_set.py`: write docs/operator-set.md from the operators themselves."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from imgdiff.cli.operators import declared_settings, described_setting
from imgdiff.operator import Composite, Operator, Registered, registry

PAGE = Path(__file__).parents[1] / "operator-set.md"
STAGES = {  # in the order in which a recipe has them
    "caption_pairs": "Caption pairs",
    "image_pairs": "Image pairs",
    "object_removal": "Object removal",
    "difference_area": "Difference areas",
    "difference_captions": "Difference captions",
    "samples": "Samples",
    "selection": "Selection across the run",
    "scene_captions": "Captions of one image",
    "object_negatives": "Object negatives",
    "hallucination": "Hallucinated phrases",
}
HEAD = """# Operators

<!-- written by docs/site/operator_set.py -->

What there is, in the order of a recipe; `imgdiff operators NAME` says the same. How to write one:
[an operator of one's own](operators.md).
"""


def page() -> str:
    """The whole page. Operators of other packages and files are not on it."""
    ours = [op for op in registry().values() if op.__module__.startswith("imgdiff.operators.")]
    found: dict[str, list[Registered]] = {stage: [] for stage in STAGES}
    for operator in sorted(ours, key=lambda op: op.name):
        found[_stage(operator)].append(operator)
    parts = [HEAD]
    for stage, operators in found.items():
        parts.append(f"## {STAGES[stage]}\n")
        parts += ["\n".join(_lines(operator)) for operator in operators]
    return "\n".join(parts)


def _stage(operator: Registered) -> str:
    if issubclass(operator, Composite):
        return _stage(registry()[operator.steps[0]])
    return operator.stage


def _lines(operator: Registered) -> Iterator[str]:
    yield f"### {operator.name}\n"
    yield f"{inspect.getdoc(operator)}\n"
    if issubclass(operator, Composite):
        steps = (f"[`{step}`](#{step})" for step in operator.steps)
        yield f"Short for {', '.join(steps)}.\n"
        return
    yield from _facts(operator)
    yield "| setting | |\n| --- | --- |"
    for name, setting, required in declared_settings(operator):
        words = ", ".join(described_setting(setting, required)).replace("|", "\\|")
        yield f"| `{name}` | {words} |"
    yield ""


def _facts(operator: type[Operator]) -> Iterator[str]:
    facts = {
        "Reads": operator.reads,
        "Writes": operator.writes,
        "Models": operator.roles,
        "Scores": (*operator.scores, *operator.region_scores),
    }
    told = [
        f"{fact}: {', '.join(f'`{name}`' for name in names)}."
        for fact, names in facts.items()
        if names
    ]
    if told:
        yield " ".join(told) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
