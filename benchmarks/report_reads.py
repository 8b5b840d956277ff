"""What the report reads of a run's shards, now and as it was done before.

    python benchmarks/report_reads.py [--quick] [--json FILE]

A run of pictures of noise, 128 x 128 pixels, 8 rows a shard. Before, every shard was read whole to
count, and again up to the last pair that is shown; now it is read without pictures to count, and
only those with such pairs again. Both read those once more for the pages.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from arguments import benchmark_parser, show_figures
from PIL import Image

from imgdiff.report.page import write_report
from imgdiff.run import main as run
from imgdiff.store.run_dir import RunDir, open_complete

LIGHT_OPERATORS = Path(__file__).parents[1] / "tests" / "light_operators.py"
SIDE = 128
Reads = list[tuple[int, tuple[str, ...]]]  # shard, and the fields that are left out


def finished_run(folder: Path, rows: int) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        for side in "ab":
            picture = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"{row}_{side}.png")
        names = {f"image_{side}": f"{row}_{side}.png" for side in "ab"}
        caption = "a red ball " * (row % 4 + 1)
        lines.append(json.dumps({"id": f"cap-{row:05d}", "caption": caption, **names}))
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    recipe = {
        "project_name": "reads",
        "dataset_path": str(folder / "pairs.jsonl"),
        "export_path": str(folder / "run"),
        "shard_rows": 8,
        "operators": [str(LIGHT_OPERATORS)],
        "process": [
            {"image_pair_hash_mapper": None},
            {"light_length_filter": {"min_score": 0.15}},
        ],
    }
    (folder / "reads.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    if run([str(folder / "reads.yaml")]):
        raise SystemExit("the run failed")
    return folder / "run"


def reads_of_report(folder: RunDir) -> Reads:
    """What writing the report reads, in order."""
    reads: Reads = []
    read = folder.rows

    def noted(shard: int, leave_out=(), phases=None):
        reads.append((shard, tuple(leave_out)))
        return read(shard, leave_out, phases)

    folder.rows = noted
    write_report(folder)
    folder.rows = read
    return reads


def seconds(folder: RunDir, reads: Reads) -> float:
    began = time.perf_counter()
    for shard, leave_out in reads:
        folder.rows(shard, leave_out)
    return time.perf_counter() - began


def measure(rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = open_complete(finished_run(Path(name), rows))
        folder.report = json.loads((folder.path / "report.json").read_text())
        now = reads_of_report(folder)
        shown = sorted({shard for shard, leave_out in now if not leave_out})
        before = [*range(folder.shard_count), *range(shown[-1] + 1), *shown]
        took = {"before_s": seconds(folder, [(shard, ()) for shard in before])}
        took["now_s"] = seconds(folder, now)
        ratio = took["before_s"] / took["now_s"]
        counts = {"shards": folder.shard_count, "shards_shown": len(shown)}
        return counts | took | {"ratio": ratio}


def main() -> None:
    given = benchmark_parser(__doc__, quick="480 rows in place of 1,600").parse_args()
    show_figures("reads of the report", measure(480 if given.quick else 1600), given.json)


if __name__ == "__main__":
    main()
