"""How long and where prompt-to-prompt should hold on to the source: the curve behind the recipe.

    python benchmarks/calibrate_editing.py [--quick] [--json FILE]
                                           [--write docs/prompt-to-prompt/windows.md]

One setting at a time departs from the default recipe's: the share of steps that copy
cross-attention, the share that copy self-attention, and the largest self-attention map that is
copied, as a share of the latent side. Captions of the validation split; the judge decides what a
picture shows.
"""

from dataclasses import replace
from pathlib import Path

import plots
from arguments import benchmark_parser, write_figures
from embedded import editing
from embedded.figures import Figure
from embedded.perception import recipe_params
from rich.progress import track

from imgdiff.editing.edits import Windows
from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.operators.image_pairs.sdxl_prompt2prompt_mapper import SdxlPrompt2PromptMapper
from imgdiff.toyland.judge import load_judge

SWEEPS: dict[str, tuple[float, ...]] = {
    "cross_steps": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "self_steps": (0.0, 0.2, 0.4, 0.6, 0.8),
    "self_side": (0.25, 0.5, 1.0),
}
IN_RECIPE = {
    "cross_steps": "cross_replace_steps",
    "self_steps": "self_replace_steps",
    "self_side": "self_replace_side",
}


def measure(count: int) -> dict[tuple[str, float], list[Figure]]:
    """(what departs, its value) -> the three figures of an edit."""
    models, judge = Models(bind("embedded")), load_judge()
    pipeline, segmenter = models.diffusion().pipeline, models.segmenter()
    setting = recipe_params(SdxlPrompt2PromptMapper)
    usual = Windows(**{name: getattr(setting, key) for name, key in IN_RECIPE.items()})
    captions = editing.caption_pairs(count, split="validation")
    figures: dict[tuple[str, float], list[Figure]] = {}
    known: dict[Windows, list[Figure]] = {}
    steps = [(name, value) for name, values in SWEEPS.items() for value in values]
    for name, value in track(steps, "windows"):
        windows = replace(usual, **{name: value})
        if windows not in known:
            made = editing.edit(
                pipeline,
                judge,
                captions,
                setting.num_inference_steps,
                setting.guidance_scale,
                windows,
            )
            known[windows] = editing.editing_figures(made, segmenter, bars=False)
        figures[name, value] = known[windows]
    return figures


def table(figures: dict[tuple[str, float], list[Figure]]) -> str:
    lines = [
        "| setting | new object | kept objects | difference outside |",
        "| --- | --- | --- | --- |",
    ]
    for (name, value), some in figures.items():
        cells = " | ".join(f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})" for f in some)
        lines.append(f"| `{IN_RECIPE[name]}: {value}` | {cells} |")
    return "\n".join(lines) + "\n"


def plot(figures: dict[tuple[str, float], list[Figure]], path: Path) -> None:
    """One panel for each sweep: shares on the left axis, the difference outside on the right."""
    picture, panels = plots.subplots(1, len(SWEEPS), figsize=(11, 3.2), sharey=True)
    for panel, (name, values) in zip(panels, SWEEPS.items(), strict=True):
        right = panel.twinx()
        for k, (label, axis) in enumerate(
            (("new object", panel), ("kept objects", panel), ("difference outside", right))
        ):
            some = [figures[name, value][k] for value in values]
            plots.draw_figures(axis, values, some, k, label)
        panel.set(xlabel=IN_RECIPE[name], ylim=(0, 1))
        right.set(ylim=(0, 0.1))
        right.tick_params(labelright=panel is panels[-1])
        panel.grid(alpha=0.3)
        if panel is panels[0]:
            handles = [*panel.get_legend_handles_labels(), *right.get_legend_handles_labels()]
            panel.legend(handles[0] + handles[2], handles[1] + handles[3], fontsize=8)
    plots.save(picture, path)


def main() -> None:
    parser = benchmark_parser(
        __doc__,
        quick="16 caption pairs instead of 100",
        write="write the page there, its curve beside it",
    )
    given = parser.parse_args()
    count = 16 if given.quick else 100
    figures = measure(count)
    print(table(figures))
    flat = {
        f"{name}_{value:g}_{f.name}": f.value
        for (name, value), some in figures.items()
        for f in some
    }
    write_figures(flat, given.json)
    if given.write:
        curve = given.write.with_suffix(".png")
        plot(figures, curve)
        given.write.write_text(
            PAGE.format(
                quick=" --quick" * given.quick, count=count, tables=table(figures), curve=curve.name
            )
        )


PAGE = """# Windows of prompt-to-prompt on the embedded models

Written by `python benchmarks/calibrate_editing.py{quick} --write docs/prompt-to-prompt/windows.md`
from {count} caption pairs of the validation split. One setting at a time departs from
`recipes/replace.yaml`.
*New object*: B shows the new thing in the caption's colour. *Kept objects*: everything else in A
stands in B, in the same place, category and colour. *Difference outside*: mean absolute difference
(0..1) outside the segments of the old and the new thing. 95 % intervals.

The paper copies self-attention only where the map's side is at most a quarter of the latent side.
At 128 px the latents are 16 x 16 and the UNet has maps of 16 x 16 and 8 x 8, so a quarter would
copy nothing.

![curve]({curve})

{tables}"""


if __name__ == "__main__":
    main()
