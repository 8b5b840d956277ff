"""Every row ends once, whatever is killed: a long run on Ray, and a script that kills processes.

    python benchmarks/soak.py [--quick] [--json FILE] [--seed N]

2,000 rows of 50 ms go through light operators. Meanwhile a random worker is killed 36 times and the
driver 4 times (`kill -9`); the driver is started again each time. The rows at the end must be those
of an undisturbed run, each id once, and no temporary file may be left.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
from arguments import benchmark_parser, show_figures
from engine import Figures, write_captions, write_recipe

from imgdiff.data.rows import Row
from imgdiff.store.run_dir import open_complete

WORKER = "MapWorker"  # Ray names a worker's process after the actor it holds
SECONDS_PER_ROW = 0.05
PAUSE = (0.2, 1.6)  # seconds between two kills, least and most
SHORTEST_PROGRESS = 15.0  # seconds that a driver gets before it may be killed


def write_project(folder: Path, rows: int) -> Path:
    return write_recipe(
        folder,
        write_captions(folder, rows),
        "run",
        shard_rows=20,
        phases={"extra": {"num_cpus": 0.1, "concurrency": 4}},
        process=[
            "light_edit_mapper",
            "light_image_mapper",
            {"light_length_filter": {"min_score": 0.15}},
            {"light_areas": {"light_area_filter": {"min_score": 0.1}}},
        ],
    )


def start(recipe: Path, *overrides: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "imgdiff.run", str(recipe), *overrides]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rows_of(folder: Path) -> list[Row]:
    run = open_complete(folder)
    return [row for shard in range(run.shard_count) for row in run.rows(shard)]


def workers_of(driver: int) -> list[psutil.Process]:
    """The processes under a driver that do shards."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if any(WORKER in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:  # gone meanwhile
            continue
    return found


def disturb(recipe: Path, worker_kills: int, driver_kills: int, rng: random.Random) -> int:
    """Run to the end under fire; returns how many processes were killed."""
    settings = (
        "executor_type=ray",
        "ray_address=local",
        f"light_edit_mapper.seconds={SECONDS_PER_ROW}",
    )
    workers = drivers = 0
    driver, begun = start(recipe, *settings), time.monotonic()
    while True:
        time.sleep(rng.uniform(*PAUSE))
        if driver.poll() is not None:
            if driver.returncode == 0:
                return workers + drivers
            raise SystemExit(f"the run ended with exit code {driver.returncode}")
        due = drivers < driver_kills and workers >= (drivers + 1) * worker_kills / (
            driver_kills + 1
        )
        if due and time.monotonic() - begun > SHORTEST_PROGRESS:
            driver.kill()
            driver.wait()
            drivers += 1
            driver, begun = start(recipe, *settings), time.monotonic()
        elif workers < worker_kills:
            there = workers_of(driver.pid)
            if there:
                rng.choice(there).kill()
                workers += 1


def main() -> None:
    parser = benchmark_parser(__doc__, quick="400 rows, 6 workers, 1 driver killed")
    parser.add_argument("--seed", type=int, default=0, help="of the killing; usually 0")
    given = parser.parse_args()
    count, worker_kills, driver_kills = (400, 6, 1) if given.quick else (2000, 36, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = write_project(folder, count)
        if start(recipe, f"export_path={folder / 'calm'}").wait():
            raise SystemExit("the undisturbed run did not end well")
        began = time.monotonic()
        kills = disturb(recipe, worker_kills, driver_kills, random.Random(given.seed))
        took = time.monotonic() - began
        rows, expected = rows_of(folder / "run"), rows_of(folder / "calm")
        left = [
            path for path in (folder / "run").rglob("*") if path.suffix in (".tmp", ".recovery")
        ]
    times = Counter(row.id for row in rows)
    figures: Figures = {
        "rows": len(times),
        "kills": kills,
        "lost": sum(row.id not in times for row in expected),
        "doubled": sum(n > 1 for n in times.values()),
        "different": sum(a != b for a, b in zip(rows, expected, strict=False)),
        "files_left": len(left),
        "seconds": took,
    }
    show_figures("a run under fire", figures, given.json)


if __name__ == "__main__":
    main()
