"""Does the data help? The embedded MLLM before and after finetuning on what runs made.

    python benchmarks/finetune.py [--quick] [--json FILE] [--write docs/finetune-results.md]

The model *before* is trained here on single pictures alone; it was never asked for a difference.
It is finetuned, by `imgdiff train`, on

- *after*: the samples of a run of `recipes/replace.yaml`,
- *both*: those and the samples of a run of `recipes/remove.yaml`,
- *control*: as many single pictures of the replace run, without pairs and boxes,

each eight times, mixed with as many new conversations of the kind that the model had before, as the
paper mixes; with the same number of steps, three times with other random numbers. What is asked:
see `benchmarks/finetune_parts/questions.py`. All that is made stays in outputs/finetune-benchmark/
and is used again.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from arguments import benchmark_parser, write_figures
from finetune_parts import data, models, questions
from rich.console import Console
from rich.table import Table

from imgdiff.statistics.estimates import Estimate, mean

FOLDER = Path("outputs/finetune-benchmark")
ARMS = ("before", "after", "both", "control")
DIFFERENCES = (("after", "before"), ("after", "control"), ("both", "after"))
TIMES = 8  # that each sample is there, so that new conversations need not come twice
LEAST_GAIN = 0.15  # of pairs, over before
Measured = dict[str, np.ndarray]  # metric -> [items], mean over seeds


def sources(folder: Path, replaced: int, removed: int) -> dict[str, models.Sources]:
    """What each arm is trained on, made where it is missing."""
    made = data.make_runs(folder, replaced, removed)
    count = len(made.samples)
    control = data.write(folder / "control", data.control(made.samples))
    instruction = data.write(folder / "instruction", data.instruction(TIMES * count))
    replace, mixed = {"run": str(made.replace)}, {"llava": str(instruction)}
    return {
        "after": [*TIMES * [replace], mixed],
        "both": [*TIMES * [replace], *TIMES * [{"run": str(made.remove)}], mixed],
        "control": [*TIMES * [{"llava": str(control)}], mixed],
    }


def measure(
    folder: Path, runs: tuple[int, int], seeds: int, pair_count: int, scenes: int
) -> dict[str, list[Measured]]:
    """Arm -> what was measured, for each seed; `before` has one. runs: captions of the two."""

    def ask(model: Path) -> Measured:
        kept = model.parent / f"answers-{pair_count}.jsonl"
        return questions.measure(models.load(model), kept, pair_count, scenes)

    start = models.before(folder / "before")
    found = {"before": [ask(start)]}
    made = folder / "captions-{}-{}".format(*runs)
    for arm, given in sources(made, *runs).items():
        trained = [
            models.finetuned(made / f"{arm}-{seed}", start, given, seed, models.Settings())
            for seed in range(seeds)
        ]
        found[arm] = [ask(model) for model in trained]
    return found


def compare(found: Mapping[str, list[Measured]]) -> dict[str, Estimate]:
    """`METRIC_ARM`, and `METRIC_ARM_minus_ARM` item by item; items are resampled, of which each
    has the mean over the seeds."""
    means = {
        arm: {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
        for arm, each in found.items()
    }
    figures = {
        f"{name}_{arm}": mean(values)
        for arm, metrics in means.items()
        for name, values in metrics.items()
    }
    for arm, other in DIFFERENCES:
        for name, values in means[arm].items():
            figures[f"{name}_{arm}_minus_{other}"] = mean(values - means[other][name])
    return figures


def flat(figures: Mapping[str, Estimate], found: Mapping[str, list[Measured]]) -> dict[str, float]:
    """What is written as JSON: values, the ends of their intervals, and each seed's own value."""
    numbers = {}
    for name, each in figures.items():
        numbers |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
    for arm, seeds in found.items():
        for seed, metrics in enumerate(seeds):
            numbers |= {f"{name}_{arm}_{seed}": float(v.mean()) for name, v in metrics.items()}
    return numbers


def bars(figures: Mapping[str, Estimate]) -> list[str]:
    """What the paper's claim asks for and more than guessing, and whether it is so."""
    gain, over = figures["pairs_after_minus_before"], figures["pairs_after_minus_control"]
    pairs, single = figures["pairs_after"], figures["single_after"]
    verdicts = {
        f"pairs: after is at least {LEAST_GAIN} above before": gain.value >= LEAST_GAIN,
        "pairs: after is above control, the interval clear of zero": over.low > 0,
        "pairs: after is above a quarter, which guessing gives": pairs.low > 1 / 4,
        "single: after is above a half, which guessing gives": single.low > 1 / 2,
    }
    return [f"{text}: {'met' if so else 'missed'}" for text, so in verdicts.items()]


def show(figures: Mapping[str, Estimate], metrics: list[str]) -> None:
    table = Table("", *ARMS, title="Before and after")
    for name in metrics:
        table.add_row(name, *(str(figures[f"{name}_{arm}"]) for arm in ARMS))
    Console().print(table)
    table = Table("", *(f"{arm} - {other}" for arm, other in DIFFERENCES), title="Differences")
    for name in metrics:
        cells = [str(figures[f"{name}_{arm}_minus_{other}"]) for arm, other in DIFFERENCES]
        table.add_row(name, *cells)
    Console().print(table)


def page(
    figures: Mapping[str, Estimate], metrics: list[str], runs: tuple[int, int], seeds: int
) -> str:
    """The figures as Markdown, with the paper's beside them."""

    def rows(names: list[str]) -> str:
        lines = [
            f"| {metric} | " + " | ".join(str(figures[f"{metric}_{name}"]) for name in names) + " |"
            for metric in metrics
        ]
        return "\n".join(lines)

    return PAGE.format(
        items=figures["pairs_before"].items,
        arms=rows(list(ARMS)),
        differences=rows([f"{arm}_minus_{other}" for arm, other in DIFFERENCES]),
        bars="\n".join(f"- {text}" for text in bars(figures)),
        replaced=runs[0],
        removed=runs[1],
        seeds="one seed" if seeds == 1 else f"{seeds} seeds",
    )


def main() -> None:
    parser = benchmark_parser(__doc__, quick="one seed, 100 pairs", write="write the page there")
    parser.add_argument(
        "--captions", type=int, nargs=2, default=(600, 96), metavar="N", help="of the two runs"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="what is made stays there")
    given = parser.parse_args()
    seeds, pair_count, scenes = (1, 100, 50) if given.quick else (3, 300, 100)
    runs = tuple(given.captions)
    found = measure(given.folder, runs, seeds, pair_count, scenes)
    figures, metrics = compare(found), list(found["before"][0])
    show(figures, metrics)
    print("\n".join(bars(figures)))
    write_figures(flat(figures, found), given.json)
    if given.write:
        given.write.write_text(page(figures, metrics, runs, seeds))


PAGE = """# Does the data help?

Written by `python benchmarks/finetune.py --write docs/finetune-results.md`: the embedded MLLM
before and after finetuning on what runs made, asked about {items} pairs of rendered scenes of the
test split, each of which differs in one thing. In brackets: 95 % intervals, by bootstrap over
items, of the mean over {seeds}.

| | before | after: replace | both: replace + remove | control: single pictures |
| --- | --- | --- | --- | --- |
{arms}

| | after - before | after - control | both - after |
| --- | --- | --- | --- |
{differences}

{bars}

- **Before.** The embedded CLIP's tower with a projector and language model of its own, trained by
  the benchmark on region captions, scene captions and questions about single pictures (`python -m
  imgdiff.toyland.train mllm_single`); it was never asked for a difference.
- **After, both.** `imgdiff train` on the samples of `recipes/replace.yaml` ({replaced} captions),
  and of `recipes/remove.yaml` ({removed} captions) too, each sample eight times, mixed with new
  conversations of the kind that it had before, as many as the replace run's samples come.
- **Control.** The same, with one picture in the place of every pair of the replace run: the
  region's crop and caption, the scene and its caption, or whether the thing that was exchanged is
  there. As many samples, as many steps.
- **A bar** of more than guessing is met where the whole interval is.
- **pairs.** MMVP's rule: one question with two options is put to two pictures that differ in what
  is right, and both answers must be right. The pictures are the two images side by side with red
  boxes, as the paper shows them, and the same the other way round; the options are the sentence
  with the truth and the one with left and right exchanged, of which the likelier counts. A model
  that does not look is never right; one that guesses is in a quarter of the pairs. **single**
  counts the questions one by one: half of them are right by chance.
- **alone.** The same rule, with the two images one at a time. Of a replaced thing: is it there? Of
  a recoloured one: what colour is it?
- **sentence.** The model's own words for what differs, right if both halves are, in thing and
  colour. **cider_d** is CIDEr-D of these words against the truth.
- **pope.** Share of right answers, mean of random, popular and adversarial.

## Beside the paper

| MMVP, pair accuracy | before | + replace | + replace + remove |
| --- | --- | --- | --- |
| LLaVA-1.5-7B | 24.0 | 27.3 | 28.7 |
| MGM-7B | 40.0 | 50.7 | |

The paper's POPE of LLaVA-1.5-7B: 85.9 before, 86.4 with replace, 86.8 with both (Img-Diff,
section 4). MMVP has 150 pairs, so that 24.0 to 27.3 is five pairs.

What cannot be compared:

- Toyland is easier: 16 things, 8 colours, truth without doubt; and its pairs differ as the run's
  pairs do, where MMVP's photographs differ in what the data never showed.
- MMVP asks about one image at a time, as *alone* does. A language model of seven billion weights
  carries over to single pictures what it learned of pairs. One of three layers that was trained for
  minutes answers each form of question by itself: *pairs* says what it learned of the data, *alone*
  what it carries over.
- The runs' captions come from the shipped embedded MLLM, which has seen differences, as the
  paper's come from a larger model than those it finetunes.
"""


if __name__ == "__main__":
    main()
