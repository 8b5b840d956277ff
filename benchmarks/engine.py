"""What the engines themselves cost, with operators that do next to nothing, or sleep.

    python benchmarks/engine.py [--quick] [--json FILE] [--peer VENV]

10,000 rows through a mapper and a filter, as whole processes: rows a second on either engine, and
the seconds before the first shard. Then a mapper that sleeps, as if it waited for a GPU, with 1, 2,
4 and 8 workers on Ray: the share of their time, start-up aside, in which they sleep. `--peer` names
a virtual environment with py-data-juicer; its `dj-process` then does the like of the first part.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from arguments import benchmark_parser, show_figures

LIGHT_OPERATORS = Path(__file__).parents[1] / "tests" / "light_operators.py"
Figures = dict[str, float]


def write_captions(folder: Path, rows: int) -> Path:
    lines = (
        json.dumps({"id": f"cap-{k:06d}", "caption": "a red ball " * (k % 4 + 1)})
        for k in range(rows)
    )
    path = folder / "captions.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def write_recipe(folder: Path, captions: Path, name: str, **settings: Any) -> Path:
    recipe = {
        "project_name": name,
        "dataset_path": str(captions),
        "export_path": str(folder / name),
        "operators": [str(LIGHT_OPERATORS)],
        **settings,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def seconds_of(command: list[str], folder: Path) -> float:
    """How long a process takes, from its start to its end."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - began


def manifests(run: Path) -> list[tuple[float, float]]:
    """When each shard was begun and stored, in seconds since 1970."""
    found = []
    for path in run.glob("stages/*/*.json"):
        stored = path.stat().st_mtime
        found.append((stored - json.loads(path.read_text())["seconds"], stored))
    return sorted(found)


def measure_trivial(folder: Path, rows: int, engine: str) -> Figures:
    """Rows a second of a whole process, and what is not the operators' doing."""
    captions = write_captions(folder, rows)
    recipe = write_recipe(
        folder,
        captions,
        engine,
        executor_type=engine,
        shard_rows=1000,
        process=["light_edit_mapper", {"light_length_filter": {"min_score": 0.15}}],
    )
    began = time.time()
    took = seconds_of([sys.executable, "-m", "imgdiff.run", str(recipe)], folder)
    shards = manifests(folder / engine)
    working = sum(stored - begun for begun, stored in shards)
    return {
        f"{engine}_rows_per_s": rows / took,
        f"{engine}_startup_s": shards[0][0] - began,
        f"{engine}_ms_per_row_and_operator": 1000 * working / rows / 2,
    }


def measure_efficiency(folder: Path, workers: int, shards: int) -> float:
    """The share of the workers' time in which they sleep, from the first shard to the last."""
    rows_per_shard, seconds = 20, 0.05
    captions = write_captions(folder, shards * workers * rows_per_shard)
    name = f"workers-{workers}"
    recipe = write_recipe(
        folder,
        captions,
        name,
        executor_type="ray",
        ray_address="local",
        shard_rows=rows_per_shard,
        phases={"extra": {"num_cpus": 0.1, "concurrency": workers}},
        process=[{"light_edit_mapper": {"seconds": seconds}}],
    )
    seconds_of([sys.executable, "-m", "imgdiff.run", str(recipe)], folder)
    done = manifests(folder / name)
    wall = done[-1][1] - done[0][0]
    return shards * rows_per_shard * seconds / wall


PEER_MODES = {
    "default": {},
    "turbo": {"turbo": True},
    "ray": {"executor_type": "ray", "ray_address": "local"},
}


def measure_peer(folder: Path, rows: int, venv: Path) -> Figures:
    """py-data-juicer on the same captions: a mapper and a filter of its own that do as little."""
    captions = write_captions(folder, rows)
    texts = folder / "texts.jsonl"
    with captions.open() as lines, texts.open("w") as out:
        for line in lines:
            out.write(json.dumps({"text": json.loads(line)["caption"]}) + "\n")
    figures: Figures = {}
    for name, settings in PEER_MODES.items():
        config = folder / f"peer-{name}.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "project_name": name,
                    "dataset_path": str(texts),
                    "export_path": str(folder / f"peer-{name}" / "out.jsonl"),
                    "np": 2,
                    "use_cache": False,
                    "process": [
                        {"whitespace_normalization_mapper": {}},
                        {"text_length_filter": {"min_len": 15, "max_len": 1000}},
                    ],
                    **settings,
                }
            )
        )
        command = [str(venv.absolute() / "bin" / "dj-process"), "--config", str(config)]
        figures[f"peer_{name}_rows_per_s"] = rows / seconds_of(command, folder)
    return figures


def main() -> None:
    parser = benchmark_parser(__doc__, quick="2,000 rows, 1 and 2 workers")
    parser.add_argument("--peer", type=Path, metavar="VENV", help="where py-data-juicer is")
    given = parser.parse_args()
    rows = 2_000 if given.quick else 10_000
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for engine in ("local", "ray"):
            figures |= measure_trivial(folder, rows, engine)
        for workers in (1, 2) if given.quick else (1, 2, 4, 8):
            figures[f"efficiency_{workers}"] = measure_efficiency(
                folder, workers, 4 if given.quick else 12
            )
        if given.peer:
            figures |= measure_peer(folder, rows, given.peer)
    show_figures("engines", figures, given.json)


if __name__ == "__main__":
    main()
