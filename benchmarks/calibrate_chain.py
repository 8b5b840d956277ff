"""What each threshold of the default recipe does to what a user gets: the curves behind them.

    python benchmarks/calibrate_chain.py [--quick] [--json FILE]
                                         [--write docs/thresholds/replace.md]

One threshold at a time departs from `recipes/replace.yaml`. Captions of the validation split; the
judge decides what a picture shows. The pictures are drawn once, and thresholds decide stored scores
again, as in any run folder.
"""

import tempfile
from pathlib import Path

import plots
from arguments import benchmark_parser, write_figures
from embedded import chain
from embedded.figures import Figure

from imgdiff.recipe.check import check
from imgdiff.toyland.judge import load_judge

SWEEPS: dict[str, tuple[float, ...]] = {
    "region_text_matching_filter.min_itc": (0.0, 0.2, 0.4, 0.5),
    "region_difference_filter.max_similarity": (0.7, 0.8, 0.9, 0.95, 1.0),
    "region_difference_filter.nms_iou": (0.3, 0.5, 0.8),
    "region_difference_filter.max_regions": (1, 3, 5, 12),
    "region_caption_matching_filter.min_itc": (0.0, 0.2, 0.4, 0.5),
    "region_caption_similarity_filter.max_similarity": (0.6, 0.7, 0.8, 0.9),
    "region_caption_agreement_filter.min_agreement": (0.0, 0.5, 1.0),
}
SHOWN = ("rows kept", "box right", "sentence right", "both right")  # of `chain.chain_figures`
Measured = dict[tuple[str, float], list[Figure]]


def in_recipe() -> dict[str, float]:
    """The thresholds as the recipe has them."""
    settings = {operator.name: operator.params for operator in check(chain.RECIPE).operators}
    parts = {name: name.split(".") for name in SWEEPS}
    return {name: getattr(settings[operator], key) for name, (operator, key) in parts.items()}


def measure(folder: Path, count: int) -> Measured:
    """(threshold, its value) -> shares of rows kept, of boxes and sentences that are right, and of
    samples of which both is so."""
    judge, usual = load_judge(), in_recipe()

    def figures(overrides: list[str]) -> list[Figure]:
        made = chain.run_in(folder, "validation", count, overrides)
        return chain.chain_figures(made, chain.samples_of(made.rows, judge))[: len(SHOWN)]

    as_it_is = figures([])
    return {
        (name, value): as_it_is if value == usual[name] else figures([f"{name}={value}"])
        for name, values in SWEEPS.items()
        for value in values
    }


def table(measured: Measured) -> str:
    """As Markdown; what the recipe has is bold."""
    usual = in_recipe()
    lines = [
        f"| threshold | {' | '.join(SHOWN)} |",
        "| --- " * (1 + len(SHOWN)) + "|",
    ]
    for (name, value), figures in measured.items():
        setting = f"`{name}: {value}`"
        mark = "**" * (value == usual[name])
        cells = " | ".join(f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})" for f in figures)
        lines.append(f"| {mark}{setting}{mark} | {cells} |")
    return "\n".join(lines) + "\n"


def plot(measured: Measured, path: Path) -> None:
    """One panel for each threshold; a line where the recipe has it."""
    usual = in_recipe()
    picture, panels = plots.subplots(2, 4, figsize=(13, 6), sharey=True)
    *panels, rest = panels.flat
    for panel, (name, values) in zip(panels, SWEEPS.items(), strict=True):
        for k, label in enumerate(SHOWN):
            some = [measured[name, value][k] for value in values]
            plots.draw_figures(panel, values, some, k, label)
        panel.axvline(usual[name], color="grey", linestyle=":")
        panel.set(ylim=(0, 1))
        panel.set_xlabel(name.replace(".", "\n"), fontsize=8)
        panel.grid(alpha=0.3)
    rest.axis("off")
    rest.legend(*panels[0].get_legend_handles_labels(), loc="center")
    plots.save(picture, path)


def main() -> None:
    parser = benchmark_parser(
        __doc__,
        quick="32 captions instead of 150",
        write="write the page there, its curves beside it",
    )
    given = parser.parse_args()
    count = 32 if given.quick else 150
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), count)
    print(table(measured))
    values = {
        f"{name}_{value:g}_{f.name}": f.value
        for (name, value), figures in measured.items()
        for f in figures
    }
    write_figures(values, given.json)
    if given.write:
        curves = given.write.with_suffix(".png")
        plot(measured, curves)
        given.write.write_text(
            PAGE.format(
                quick=" --quick" * given.quick,
                count=count,
                table=table(measured),
                curves=curves.name,
            )
        )


PAGE = """# Thresholds of the default recipe, one at a time

Written by `python benchmarks/calibrate_chain.py{quick} --write docs/thresholds/replace.md` from
{count} captions of the validation split. One threshold at a time departs from
`recipes/replace.yaml`, whose own values are bold in the table and dotted in the picture. *Rows
kept*: captions that end as at least one sample. *Box right*: samples whose box shows the old thing
in A and the new one in B, to the judge's eyes. *Sentence right*: samples whose sentence says the
captions' change, both colours and both things. *Both right*: a box and its sentence. Shares with
their 95 % intervals.

![curves]({curves})

{table}"""


if __name__ == "__main__":
    main()
