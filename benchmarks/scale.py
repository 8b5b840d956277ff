"""What a run costs as it grows: CPU seconds a row of each part, memory and sizes.

    python benchmarks/scale.py [--quick] [--json FILE]

1,000, 10,000 and 100,000 rows (with --quick 500 and 2,000) at the default shard size, through a
mapper and a filter that do next to nothing, without pictures and with two of 64 x 64 pixels each.
Parts of a run: `read` (the input, before the first row), `run` (the engine, the operators apart),
`finish` (dataset, report, pages). Beside it `dry_run`, `resume` (the same command again) and
`analyze`, as whole processes less the start of Python. `plain` is a loop of pyarrow that writes the
tables of all shards, reads them again and writes the dataset's, in the process of the run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from arguments import benchmark_parser, show_figures

LIGHT_OPERATORS = Path(__file__).parents[1] / "tests" / "light_operators.py"
SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (500, 2_000)
Figures = dict[str, float]


def write_project(folder: Path, rows: int, pictures: bool) -> Path:
    """Captions and a recipe in a folder; returns the recipe."""
    with (folder / "captions.jsonl").open("w") as file:
        for k in range(rows):
            record = {"id": f"cap-{k:07d}", "caption": "a red ball " * (k % 4 + 1)}
            file.write(json.dumps(record) + "\n")
    drawn = ["light_image_mapper"] if pictures else []
    recipe = {
        "project_name": "scale",
        "dataset_path": "captions.jsonl",
        "export_path": "run",
        "operators": [str(LIGHT_OPERATORS)],
        "process": ["light_edit_mapper", *drawn, {"light_length_filter": {"min_score": 0.15}}],
    }
    path = folder / "scale.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def child(command: list[str], folder: Path) -> tuple[float, float, str]:
    """CPU seconds and peak MB of a process, and its last line."""
    with (folder / "out.txt").open("w+") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{text}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text.strip().rpartition("\n")[2]


def measure(rows: int, pictures: bool) -> Figures:
    """Of one run: milliseconds of CPU a row by part, peak MB, kB of its folder a row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, rows, pictures)
        python = [sys.executable, "-m", "imgdiff"]
        start, _, _ = child([sys.executable, "-c", "import imgdiff.run"], folder)
        _, peak, line = child([sys.executable, __file__, "--parts"], folder)
        parts: Figures = json.loads(line)
        for part, command in {
            "dry_run": ["run", "scale.yaml", "--dry-run"],
            "resume": ["run", "scale.yaml"],
            "analyze": ["analyze", "run"],
        }.items():
            parts[part] = child([*python, *command], folder)[0] - start
        size = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
        page = (folder / "run" / "report.html").stat().st_size
    own = sum(parts[part] for part in ("read", "run", "finish"))
    return {
        **{f"{part}_ms": 1000 * seconds / rows for part, seconds in parts.items()},
        "to_plain": own / parts["plain"],
        "peak_mb": peak,
        "folder_kb": size / 1024 / rows,
        "report_mb": page / 1e6,
    }


def run_in_parts() -> Figures:
    """CPU seconds of the parts of a run of `scale.yaml`, in this process."""
    from imgdiff import run
    from imgdiff.engine import local
    from imgdiff.engine.batches import Batches

    spent: Figures = dict.fromkeys(("read", "engine", "finish", "operators"), 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **settings: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **settings)
            finally:
                spent[name] += time.process_time() - began

        return wrapped

    local.run = timed("engine", local.run)
    run.finish = timed("finish", run.finish)
    run.Input = timed("read", run.Input)  # type: ignore[misc]
    run.survey = timed("read", run.survey)
    Batches.run = timed("operators", Batches.run)  # type: ignore[method-assign]
    code = run.main(["scale.yaml"])
    if code:
        raise SystemExit(code)
    began = time.process_time()
    plain(Path("run"), Path("plain"))
    spent["plain"] = time.process_time() - began
    spent["run"] = spent.pop("engine") - spent["operators"]
    return spent


def plain(run: Path, target: Path) -> None:
    """What pyarrow itself takes for the same tables: of every shard, written and read again, and
    of the dataset. The values are taken from the run's own files, which is not counted twice: a
    run reads the shards of each phase for the next."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target.mkdir()
    for path in sorted(run.glob("stages/*/*.parquet")):
        table = pq.read_table(path)
        again = pa.Table.from_pylist(table.to_pylist(), schema=table.schema)
        pq.write_table(again, target / f"{path.parent.name}-{path.name}")
    for path in sorted([*run.glob("data/*/*.parquet"), *run.glob("dropped/*/*.parquet")]):
        table = pq.read_table(path)
        again = pa.Table.from_pylist(table.to_pylist(), schema=table.schema)
        pq.write_table(again, target / f"{path.parent.name}-{path.name}")


def main() -> None:
    parser = benchmark_parser(__doc__, quick="500 and 2,000 rows")
    given = parser.parse_args()
    figures: Figures = {}
    for pictures in (False, True):
        kind = "pictures" if pictures else "text"
        sizes = QUICK_SIZES if given.quick else SIZES[: 2 if pictures else 3]
        measured = {rows: measure(rows, pictures) for rows in sizes}
        for rows, found in measured.items():
            figures |= {f"{kind}_{rows}_{name}": value for name, value in found.items()}
        least, most = measured[sizes[0]], measured[sizes[-1]]
        growth = (most["peak_mb"] - least["peak_mb"]) * 2**20 / (sizes[-1] - sizes[0])
        figures[f"{kind}_bytes_a_row"] = growth
    show_figures("What a run costs as it grows", figures, given.json)


if __name__ == "__main__":
    if sys.argv[1:] == ["--parts"]:
        print(json.dumps(run_in_parts()))
    else:
        main()
