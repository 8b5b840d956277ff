"""What writing a dataset's tables costs as the shards grow more, now and as it was done before.

    python benchmarks/tables.py [--quick] [--json FILE]

Samples of a run, 8 a shard and without pictures, go into parquet files in one process: by
`ParquetFiles`, and by joining all that waits with every shard that comes. Both files hold the same.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from arguments import benchmark_parser, show_figures
from datasets import Features, List, Value

from imgdiff.export import parquet_files
from imgdiff.export.parquet_files import ParquetFiles

ROWS = 8  # of a shard
TEXT = Value("string")
SCHEMA = Features(
    {
        "id": TEXT,
        "box_xyxy": List(Value("float32"), length=4),
        "difference": TEXT,
        "conversations": List({"from": TEXT, "value": TEXT}),
        "scores": {f"score_{k}": Value("float32") for k in range(8)},
    }
).arrow_schema
Figures = dict[str, float]


class JoiningFiles(ParquetFiles):
    """As it was: what waits is joined and measured anew with every shard."""

    def add(self, records: Any) -> None:
        more = pa.Table.from_pylist(records, schema=self.schema)
        joined = pa.concat_tables([*self._waiting, more])
        self._waiting, self._waiting_bytes = [joined], joined.nbytes
        if self._waiting_bytes >= parquet_files.ROW_GROUP_BYTES:
            self._write_row_group()


def records(shard: int) -> list[dict[str, Any]]:
    """What a shard adds."""
    return [
        {
            "id": f"cap-{shard:06d}-{row}",
            "box_xyxy": [8.0, 16.0, 40.0 + row, 48.0],
            "difference": f"The left image shows a red car, the right one {shard} boats.",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat differs in the red boxes?"},
                {"from": "gpt", "value": f"The left image shows a red car, {shard} boats."},
            ],
            "scores": {f"score_{k}": k / (row + 1) for k in range(8)},
        }
        for row in range(ROWS)
    ]


def written(kind: type[ParquetFiles], folder: Path, shards: list[Any]) -> tuple[float, list[Path]]:
    """The seconds that it takes to write all shards, and the files."""
    files = kind(folder, "", SCHEMA)
    began = time.perf_counter()
    for each in shards:
        files.add(each)
    files.close()
    return time.perf_counter() - began, files.files


def measure(shards: int) -> Figures:
    """Both sides on the same records, and how they grow from half of the shards to all."""
    figures: Figures = {"shards": shards}
    made = [records(shard) for shard in range(shards)]
    sides = {"joining": JoiningFiles, "now": ParquetFiles}
    with tempfile.TemporaryDirectory() as name:
        for side, kind in sides.items():
            half, _ = written(kind, Path(name, side, "half"), made[: shards // 2])
            whole, files = written(kind, Path(name, side, "whole"), made)
            figures |= {f"{side}_s": whole, f"{side}_growth": whole / half}
            figures[f"{side}_mb"] = sum(file.stat().st_size for file in files) / 1e6
    return figures | {"ratio": figures["joining_s"] / figures["now_s"]}


def main() -> None:
    parser = benchmark_parser(__doc__, quick="200 shards in place of 1,000")
    given = parser.parse_args()
    show_figures("tables", measure(200 if given.quick else 1000), given.json)


if __name__ == "__main__":
    main()
