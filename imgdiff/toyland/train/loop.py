"""The training loop that every embedded model shares: resumable, averaged, with a curve."""

import csv
import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from imgdiff.toyland.train import together

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. `lr` is the peak of a cosine that ends at a hundredth of it."""

    steps: int
    lr: float
    warmup: int = 100
    weight_decay: float = 0.01
    ema: float = 0.999  # decay of the averaged weights, which are the ones that are kept
    save_seconds: float = 120.0
    bfloat16: bool = True  # in forward passes; on a CPU it does not pay for few channels

    def rate(self, step: int, since_start: int) -> float:
        """Learning rate at `step`; `since_start` counts steps since a (re)start, whose optimiser is
        fresh."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))
        return self.lr * min(1.0, (since_start + 1) / self.warmup) * (0.01 + 0.99 * cosine)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def machine() -> str:
    """What trains: the GPU's name, or the number of CPU cores."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores"


def use_fast_attention(model: PreTrainedModel) -> None:
    """On a CPU the backward pass of fused attention takes longer than that of explicit maps."""
    if device().type == "cpu":
        model.set_attn_implementation("eager")


def fit(
    model: nn.Module,
    losses: Callable[[int], dict[str, Tensor]],
    schedule: Schedule,
    folder: Path,
) -> None:
    """Train `model` in place and leave it with its averaged weights.

    Args:
        model: every parameter that requires a gradient is trained.
        losses: number of a batch -> named scalar losses; their sum is minimised, each is written to
            the curve. Where several processes train together, each gets batches of its own.
        schedule: see `Schedule`.
        folder: holds `state.safetensors` (weights and their average), `progress.json` (steps and
            seconds so far) and `curve.csv`. A run that was killed goes on from there with a fresh
            optimiser and a short warm-up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    average = {k: v.detach().clone().float() for k, v in model.state_dict().items()}
    first, seconds_before = _resume(model, average, folder)
    optimiser = torch.optim.AdamW(
        trained, lr=schedule.lr, weight_decay=schedule.weight_decay, betas=(0.9, 0.98)
    )
    model.train()
    torch.manual_seed(together.rank() + together.world() * first)  # noise of its own
    saved = started = time.monotonic()
    recent: list[dict[str, float]] = []
    for step in range(first, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step, step - first)
        with torch.autocast(device().type, torch.bfloat16, enabled=schedule.bfloat16):
            named = losses(step * together.world() + together.rank())
        optimiser.zero_grad(set_to_none=True)
        sum(named.values(), torch.zeros((), device=device())).backward()
        together.average_gradients(trained)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        _update_average(average, model, min(schedule.ema, (step + 1) / (step + 10)))
        recent.append({name: float(value.detach()) for name, value in named.items()})
        last = step + 1 == schedule.steps
        if (step + 1) % 50 == 0 or last:
            if together.rank() == 0:
                speed = (step + 1 - first) / (time.monotonic() - started)
                _report(folder, step + 1, recent, speed)
            recent = []
        due = time.monotonic() - saved > schedule.save_seconds
        if (due or last) and together.rank() == 0:
            seconds = seconds_before + time.monotonic() - started
            _save(model, average, step + 1, seconds, folder)
            saved = time.monotonic()
    model.load_state_dict({k: v.to(model.state_dict()[k].dtype) for k, v in average.items()})
    model.eval()


def progress(folder: Path) -> tuple[int, float]:
    """Steps and seconds of the training in a folder."""
    stored = json.loads((folder / "progress.json").read_text())
    return stored["step"], stored["seconds"]


def pack(folder: Path, target: Path) -> None:
    """Copy a training folder with the averaged weights alone, in half precision: enough to go on
    from, a quarter of the size."""
    target.mkdir(parents=True, exist_ok=True)
    state = load_file(folder / "state.safetensors")
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
        if name.startswith("average/")
    }
    save_file(kept, target / "state.safetensors")
    for name in ("progress.json", "curve.csv"):
        (target / name).write_bytes((folder / name).read_bytes())


def draw_curve(folder: Path, picture: Path, title: str) -> None:
    """Draw `curve.csv` of a training folder as a PNG with one line for each loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    points: dict[str, list[tuple[int, float]]] = {}
    with (folder / "curve.csv").open() as lines:
        for step, name, value in csv.reader(lines):
            points.setdefault(name, []).append((int(step), float(value)))
    figure, axes = plt.subplots(figsize=(6, 3.4), dpi=90)
    for name, line in points.items():
        axes.plot(*zip(*line, strict=True), label=name)
    axes.set(xlabel="step", yscale="log", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)
    plt.close(figure)


def _resume(model: nn.Module, average: dict[str, Tensor], folder: Path) -> tuple[int, float]:
    """Steps and seconds that the training has had."""
    if not (folder / "progress.json").exists():
        return 0, 0.0
    state = load_file(folder / "state.safetensors", device=str(device()))
    packed = not any(name.startswith("model/") for name in state)
    weights = "average/" if packed else "model/"
    model.load_state_dict(
        {k.removeprefix(weights): v for k, v in state.items() if k.startswith(weights)}
    )
    for name in average:
        average[name].copy_(state[f"average/{name}"])
    step, seconds = progress(folder)
    if together.rank() == 0:
        _cut_curve(folder, step)
    log.info("%s: goes on at step %d", folder.name, step)
    return step, seconds


def _cut_curve(folder: Path, step: int) -> None:
    """Forget what was written after the checkpoint: those steps come again."""
    curve = folder / "curve.csv"
    if curve.exists():
        lines = curve.read_text().splitlines(keepends=True)
        curve.write_text("".join(line for line in lines if int(line.split(",")[0]) <= step))


def _save(
    model: nn.Module, average: dict[str, Tensor], step: int, seconds: float, folder: Path
) -> None:
    state = {f"model/{k}": v.contiguous().clone() for k, v in model.state_dict().items()}
    state |= {f"average/{k}": v.contiguous() for k, v in average.items()}
    save_file(state, folder / "state.tmp")
    os.replace(folder / "state.tmp", folder / "state.safetensors")
    (folder / "progress.tmp").write_text(json.dumps({"step": step, "seconds": round(seconds)}))
    os.replace(folder / "progress.tmp", folder / "progress.json")


@torch.no_grad()
def _update_average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        average[name].lerp_(value.float(), 1 - decay)


def _report(folder: Path, step: int, recent: list[dict[str, float]], speed: float) -> None:
    means = {name: sum(named[name] for named in recent) / len(recent) for name in recent[0]}
    with (folder / "curve.csv").open("a") as lines:
        csv.writer(lines).writerows([step, name, f"{value:.5f}"] for name, value in means.items())
    text = " ".join(f"{name} {value:.4f}" for name, value in means.items())
    log.info("%s step %d: %s (%.2f steps/s)", folder.name, step, text, speed)
