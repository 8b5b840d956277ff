"""What the full-size recipes need: memory by phase, downloads, disk, GPU-hours. All arithmetic.

    python benchmarks/memory_plan.py [--write docs/full-size.md] [--count FOLDER]

No GPU, no download: parameters and sizes of models are in `memory_plan_parts/models.yaml`. With
`--count` they are counted anew, from the configs of the models in FOLDER/OWNER--NAME.
"""

import argparse
import re
from pathlib import Path

from memory_plan_parts.facts import models
from memory_plan_parts.tables import TABLES

MARKED = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def with_tables(page: str) -> str:
    """The page with the tables of today between its marks."""
    return MARKED.sub(
        lambda mark: f"<!-- {mark[1]} -->\n\n{TABLES[mark[1]]()}\n\n<!-- end -->", page
    )


def count_again(folder: Path) -> None:
    """Print what is counted of the models whose configs are there."""
    from memory_plan_parts.counting import count
    from transformers.utils import logging

    logging.set_verbosity_error()
    for name in models():
        place = folder / name.replace("/", "--")
        print(name, count(place) if place.is_dir() else "no configs")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables into a page")
    parser.add_argument("--count", type=Path, metavar="FOLDER", help="count the models anew")
    given = parser.parse_args()
    if given.count is not None:
        count_again(given.count)
        return
    if given.write is not None:
        given.write.write_text(with_tables(given.write.read_text("utf-8")), "utf-8")
    for name, table in TABLES.items():
        print(f"{name}\n\n{table()}\n")


if __name__ == "__main__":
    main()
