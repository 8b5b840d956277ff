"""How long a large run will take, from the report of a small one.

    python benchmarks/simulate_cluster.py outputs/replace [--captions 1000000] [--gpus-per-worker 1]
    python benchmarks/simulate_cluster.py --check [--json FILE]

Shards flow through the pools of the phases, each shard taking as long as one of the measured run's
shards did in that phase. The GPUs are shared out by the work of the phases; where there are fewer
than phases, the phases take turns. `--check` compares predicted with real runs on this machine's
Ray, of operators that sleep.
"""

import heapq
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arguments import benchmark_parser, show_figures
from engine import manifests, seconds_of, write_captions, write_recipe
from rich.console import Console
from rich.table import Table

GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CHECKED = ((1, 1), (2, 1), (4, 2))  # workers of the two phases
SLEEPS = (0.04, 0.02)  # seconds a row in the two phases


@dataclass(frozen=True)
class Prediction:
    """wall: seconds. busy: of each phase, the share of its workers' time that is work."""

    wall: float
    busy: list[float]


def simulate(times: Sequence[Sequence[float]], workers: Sequence[int], shards: int) -> Prediction:
    """Let shards flow through pools.

    Args:
        times: of each phase, seconds that measured shards took; they are drawn from at random.
        workers: of each phase.
        shards: how many flow.
    """
    rng = random.Random(0)
    arrived, work = [0.0] * shards, [0.0] * len(times)
    for phase, (measured, count) in enumerate(zip(times, workers, strict=True)):
        free = [0.0] * count
        for shard in sorted(range(shards), key=arrived.__getitem__):
            begun = max(arrived[shard], heapq.heappop(free))
            took = rng.choice(measured)
            work[phase] += took
            arrived[shard] = begun + took
            heapq.heappush(free, arrived[shard])
    wall = max(arrived)
    busy = [done / (count * wall) for done, count in zip(work, workers, strict=True)]
    return Prediction(wall, busy)


def take_turns(times: Sequence[Sequence[float]], workers: int, shards: int) -> Prediction:
    """All workers do one phase after the other."""
    parts = [simulate([measured], [workers], shards) for measured in times]
    wall = sum(part.wall for part in parts)
    return Prediction(wall, [part.busy[0] * part.wall / wall for part in parts])


def shared_out(times: Sequence[Sequence[float]], workers: int) -> list[int] | None:
    """Workers for each phase, by its share of the work, at least one each; None if there are too
    few."""
    if workers < len(times):
        return None
    means = [sum(measured) / len(measured) for measured in times]
    shares = [1] * len(times)
    for _ in range(workers - len(times)):
        waiting = [mean / share for mean, share in zip(means, shares, strict=True)]
        shares[waiting.index(max(waiting))] += 1
    return shares


def shard_times(run: Path) -> tuple[list[str], list[list[float]]]:
    """Names of the phases that take time, and what their shards took."""
    folders = sorted(path for path in run.glob("stages/*") if path.is_dir())
    times = {
        folder.name.partition("_")[2]: [
            json.loads(path.read_text())["seconds"] for path in sorted(folder.glob("*.json"))
        ]
        for folder in folders
    }
    total = sum(map(sum, times.values()))
    some = {name: taken for name, taken in times.items() if sum(taken) > 0.001 * total}
    return list(some), list(some.values())


def predict(run: Path, captions: int, gpus_per_worker: float) -> None:
    names, times = shard_times(run)
    report = json.loads((run / "report.json").read_text())
    recipe = json.loads((run / "run.json").read_text())["recipe"]
    shards = -(-captions // recipe["shard_rows"])
    kept = captions * report["samples"] / report["rows"]["total"]
    table = Table("GPUs", "workers", "hours", "GPUs busy", "bottleneck", "GPU-s per 1,000 samples")
    for gpus in GPUS:
        count = max(int(gpus / gpus_per_worker), 1)
        shares = shared_out(times, count)
        found = simulate(times, shares, shards) if shares else take_turns(times, count, shards)
        workers = shares or [count] * len(times)
        work = sum(b * w for b, w in zip(found.busy, workers, strict=True)) / count
        busiest = names[found.busy.index(max(found.busy))]
        table.add_row(
            str(gpus),
            " + ".join(map(str, workers)) if shares else f"{count} in turns",
            f"{found.wall / 3600:,.1f}",
            f"{work:.0%}",
            busiest,
            f"{1000 * found.wall * gpus / kept:,.0f}" if kept else "",
        )
    Console().print(f"{captions:,} captions, {shards:,} shards, as in {run}")
    Console().print(table)


def check(shards: int = 64, rows: int = 10) -> dict[str, float]:
    """Predicted over real wall time, for pools of several sizes."""
    figures: dict[str, float] = {}
    times: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        captions = write_captions(folder, shards * rows)
        for workers in CHECKED:
            label = "-".join(map(str, workers))
            pools = {
                phase: {"num_cpus": 0.1, "concurrency": count}
                for phase, count in zip(("extra", "light_areas"), workers, strict=True)
            }
            recipe = write_recipe(
                folder,
                captions,
                label,
                executor_type="ray",
                ray_address="local",
                shard_rows=rows,
                phases=pools,
                process=[
                    {"light_edit_mapper": {"seconds": SLEEPS[0]}},
                    {"light_area_mapper": {"seconds": SLEEPS[1]}},
                ],
            )
            seconds_of([sys.executable, "-m", "imgdiff.run", str(recipe)], folder)
            if not times:  # the smallest run predicts the others, too
                _, times = shard_times(folder / label)
            done = manifests(folder / label)
            wall = done[-1][1] - done[0][0]
            figures[f"predicted_over_real_{label}"] = simulate(times, workers, shards).wall / wall
    return figures


def main() -> None:
    parser = benchmark_parser(__doc__, quick="with --check: fewer shards")
    parser.add_argument("run", type=Path, nargs="?", help="a finished run folder")
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--gpus-per-worker", type=float, default=1.0)
    parser.add_argument("--check", action="store_true", help="compare with real runs")
    given = parser.parse_args()
    if given.check:
        figures = check(shards=24) if given.quick else check()
        show_figures("predicted beside real", figures, given.json)
    elif given.run:
        predict(given.run, given.captions, given.gpus_per_worker)
    else:
        parser.error("name a run folder, or --check")


if __name__ == "__main__":
    main()
