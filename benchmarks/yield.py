"""What a kept sample costs: how pairs are edited, beside plain generation from the same seed.

    python benchmarks/yield.py [--quick] [--json FILE] [--candidates N]
                               [--write docs/prompt-to-prompt/yield.md]

The default recipe on the same captions, steps and thresholds, four times: both pictures drawn
without editing from one seed; edited with the paper's settings; edited as the recipe says; and
that with several candidates for every pair. Seconds are those of all phases together. What a kept
sample shows is decided by the judge.
"""

from collections.abc import Mapping

from arguments import benchmark_parser, write_figures
from embedded import chain
from rich.console import Console
from rich.table import Table

from imgdiff.toyland.judge import Judge, load_judge

MAPPER = "sdxl_prompt2prompt_mapper"
HEADS = {
    "kept": "captions kept",
    "right": "box right",
    "seconds_per_kept": "seconds for a kept pair",
    "seconds_per_right": "seconds for a right sample",
}
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
    """Shares of captions that are kept and of samples that are right, and what each costs."""
    overrides = [f"{MAPPER}.{name}={value}" for name, value in settings.items()]
    made = chain.run_chain(count, overrides)
    samples = chain.samples_of(made.rows, judge)
    kept = sum(row.ok for row in made.rows)
    right = sum(sample.right_box for sample in samples)
    return {
        "kept": kept / len(made.rows),
        "right": right / len(samples) if samples else float("nan"),
        "seconds_per_kept": made.seconds / kept if kept else float("inf"),
        "seconds_per_right": made.seconds / right if right else float("inf"),
    }


def cells(figures: Mapping[str, float], name: str) -> list[str]:
    return [f"{figures[f'{name}_{key}']:.2f}" for key in HEADS]


def page(figures: Mapping[str, float], count: int) -> str:
    lines = [f"| {name} | {' | '.join(cells(figures, name))} |" for name in variants(0)]
    ratio = figures["candidates_over_ours"]
    heads = " | ".join(HEADS.values())
    return PAGE.format(count=count, heads=heads, lines="\n".join(lines), ratio=ratio)


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="16 captions instead of 100", write="write the page there"
    )
    parser.add_argument("--candidates", type=int, default=3, metavar="N", help="usually 3")
    given = parser.parse_args()
    judge, figures, count = load_judge(), dict[str, float](), 16 if given.quick else 100
    table = Table("", *HEADS.values(), title="What a kept pair costs")
    for name, settings in variants(given.candidates).items():
        found = measure(judge, settings, count)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        table.add_row(name, *cells(figures, name))
    costs = [figures[f"{name}_seconds_per_kept"] for name in ("candidates", "ours")]
    figures["candidates_over_ours"] = costs[0] / costs[1]
    Console().print(table)
    print(f"with candidates over without: {figures['candidates_over_ours']:.2f}")
    write_figures(figures, given.json)
    if given.write:
        given.write.write_text(page(figures, count))


PAGE = """# What a kept pair costs

Written by `python benchmarks/yield.py --write docs/prompt-to-prompt/yield.md` from {count}
captions of the test split, through `recipes/replace.yaml` with the embedded models; steps and
thresholds are the same for all. *plain*: both pictures from one seed, no editing. *paper*: the
paper's guidance and windows. *ours*: as the recipe says. *candidates*: the same, the best of
several edits by CLIP direction. *Box right*: the judge sees the old thing in A's box and the new
one in B's.

| | {heads} |
| --- | --- | --- | --- | --- |
{lines}

A kept pair costs {ratio:.2f} times as much with candidates as without: every candidate is one more
picture, the direction in CLIP's space favours large changes, and no candidate can mend a source
that does not show what its caption says. So the recipe draws one.
"""


if __name__ == "__main__":
    main()
