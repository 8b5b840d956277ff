"""The curve of a training, as numbers and as a picture."""

import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from imgdiff.store.files import write_atomic

NOT_DRAWN = ("epoch", "grad_norm", "learning_rate", "step")


def losses_of(entry: dict[str, Any]) -> dict[str, float]:
    """The losses and validation figures of one entry of the Trainer's history."""
    skipped = ("train_", "eval_runtime", "eval_samples", "eval_steps", "total_flos")
    return {
        name: float(value)
        for name, value in entry.items()
        if name not in NOT_DRAWN and not name.startswith(skipped)
    }


def save_curve(history: list[dict[str, Any]], folder: Path, title: str) -> None:
    """Write the Trainer's history as `curve.csv` (step, name, value) and draw it as `curve.png`:
    a title, the losses, and below them figures of the validation (`eval_...`) if there are any."""
    points: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        for name, value in losses_of(entry).items():
            points.setdefault(name, []).append((entry["step"], value))
    lines = [
        f"{step},{name},{value:.6g}\n" for name, line in points.items() for step, value in line
    ]
    write_atomic(folder / "curve.csv", "".join(["step,name,value\n", *lines]).encode())
    if points:
        _draw(points, folder / "curve.png", title)


def _draw(points: dict[str, list[tuple[int, float]]], picture: Path, title: str) -> None:
    validated = [name for name in points if name.startswith("eval_")]
    trained = [name for name in points if name not in validated]
    panels = [names for names in (trained, validated) if names]
    figure = Figure(figsize=(6, 3.2 * len(panels)), dpi=90)
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)
    for panel, names in zip(axes[:, 0], panels, strict=True):
        for name in names:
            panel.plot(*zip(*points[name], strict=True), label=name, marker=".")
        panel.grid(alpha=0.3)
        panel.legend()
    axes[0, 0].set_title(title, parse_math=False)  # a name may hold a dollar
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    temporary = picture.with_suffix(".tmp.png")
    figure.savefig(temporary)
    os.replace(temporary, picture)
