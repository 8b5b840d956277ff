"""What a kept sample costs: how pairs are edited, beside plain generation from the same seed.

    python benchmarks/yield.py [--quick] [--json FILE] [--candidates N]

The default recipe on the same captions, steps and thresholds, four times: both pictures drawn
without editing from one seed; edited with the paper's settings; edited as the recipe says; and
that with several candidates for every pair. Seconds are those of all phases together. What a kept
sample shows is decided by the judge.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from embedded import chain
from rich.console import Console
from rich.table import Table

from imgdiff.toyland.judge import Judge, load

MAPPER = "sdxl_prompt2prompt_mapper"
Settings = Mapping[str, float | str]


def variants(candidates: int) -> dict[str, Settings]:
    """Name -> what departs from the recipe."""
    return {
        "plain": {"self_replace_steps": 0.0, "cross_replace_steps": 0.0},
        "paper": {
            "guidance_scale": 7.5,
            "self_replace_steps": 0.4,
            "self_replace_side": 0.25,
            "cross_replace_steps": 0.8,
        },
        "ours": {},
        "candidates": {"candidates": candidates},
    }


def measure(judge: Judge, settings: Settings, count: int) -> dict[str, float]:
    """Seconds for a kept sample, share of captions kept, share of samples that are right."""
    overrides = [f"{MAPPER}.{name}={value}" for name, value in settings.items()]
    made = chain.run_chain(count, overrides)
    samples = chain.samples_of(made.rows, judge)
    kept = sum(row.ok for row in made.rows)
    return {
        "seconds_per_kept": made.seconds / kept if kept else float("inf"),
        "kept": kept / len(made.rows),
        "right": sum(sample.right_box for sample in samples) / len(samples)
        if samples
        else float("nan"),
        "samples": len(samples),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="16 captions instead of 100")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, flat")
    parser.add_argument("--candidates", type=int, default=3, metavar="N", help="usually 3")
    given = parser.parse_args()
    judge, figures = load(), dict[str, float]()
    table = Table(
        *("", "seconds for a kept pair", "captions kept", "box right", "samples"),
        title="What a kept pair costs",
    )
    for name, settings in variants(given.candidates).items():
        found = measure(judge, settings, 16 if given.quick else 100)
        seconds, kept, right, samples = found.values()
        table.add_row(name, f"{seconds:.2f}", f"{kept:.2f}", f"{right:.2f}", f"{samples:.0f}")
        figures |= {f"{name}_{key}": value for key, value in found.items()}
    costs = [figures[f"{name}_seconds_per_kept"] for name in ("candidates", "ours")]
    figures["candidates_over_ours"] = costs[0] / costs[1]
    Console().print(table)
    print(f"with candidates over without: {figures['candidates_over_ours']:.2f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
