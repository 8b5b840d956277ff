"""What ties a run folder to a recipe, models and an input: `run.json`, and what a change costs."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imgdiff import __version__
from imgdiff.store.run_info import RunInfo

# settings of a recipe that may change: where and how it is run, and what operators inherit
FREE = ("export_path", "executor_type", "ray_address", "phases", "export", "lexicon")
DIGITS = 12  # of a hash that a person sees
WAY_OUT = "Use a new export_path, or --restart to delete it."


def refusal(begun: RunInfo, info: RunInfo) -> str | None:
    """Why a folder begun with `begun` cannot go on with `info`, in words; None if it can.

    Only another input is refused: of another recipe, what it leaves as it was is used again.
    """
    old, new = begun.input, info.input
    if old.sha256 == new.sha256:
        return None
    rows = f"{new.path} has {new.rows:,} rows, had {old.rows:,} (sha256 differs)"
    return f"this folder was made from another input: {rows}. {WAY_OUT}"


def recipe_changes(begun: RunInfo, info: RunInfo) -> list[str]:
    """`dotted.key: old -> new` for every setting, version, operator file and model that differs."""
    lines = list(setting_differences(_settings(begun), _settings(info)))
    names = [[operator.name for operator in each.operators] for each in (begun, info)]
    if not lines and names[0] != names[1]:
        lines.append(f"process: in another order, {', '.join(names[1])}")
    return lines


def _settings(info: RunInfo) -> dict[str, Any]:
    """What a run's result depends on; a folder may be moved, and go on elsewhere, and what
    operators inherit counts with their settings."""
    recipe = {key: value for key, value in info.recipe.items() if key not in FREE}
    steps = {name: each for step in recipe["process"] for name, each in step.items()}
    versions = {operator.name: operator.version for operator in info.operators}
    files = {each.name: each.file_sha256[:DIGITS] for each in info.operators if each.file_sha256}
    models = {role: model.fingerprint for role, model in info.models.items()}
    made_with = {"version": versions, "file of": files, "package": info.versions}
    return recipe | {"process": steps, "fingerprint": models} | made_with


def setting_differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """`dotted.key: old -> new` for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from setting_differences(
                old.get(name), new.get(name), f"{key}.{name}".lstrip(".")
            )
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from setting_differences(before, after, f"{key}[{index}]")
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


def package_version(package: str) -> str | None:
    """None if it is not installed. Our own does not depend on how imgdiff was installed."""
    if package == "imgdiff":
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None
