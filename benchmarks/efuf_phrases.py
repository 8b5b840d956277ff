"""How well CLIP tells what an image shows from what a caption made up, and where to put the
thresholds of `phrase_relevance_filter` and `region_hallucination_filter`.

    python benchmarks/efuf_phrases.py [--quick] [--json FILE]
                                               [--write docs/efuf-phrases.md]

The embedded MLLM describes rendered scenes; each phrase of its captions is shown, names a thing of
another colour, or is made up. Methods of scoring and thresholds are chosen on the validation split,
and what the chosen ones are worth is measured on the test split.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plots
from arguments import benchmark_parser, write_figures
from efuf_phrases_parts.regions import cut_of, region_figures, regions
from efuf_phrases_parts.scenes import (
    METHODS,
    Captioned,
    Limits,
    ScoringMethod,
    auc,
    captioned,
    choose,
    flat,
    half_made_up,
    scored,
)
from embedded.figures import Figure, share
from rich.console import Console
from rich.table import Table

from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.operators.difference_captions.region_caption_matching_filter import (
    RegionCaptionMatchingFilter,
)
from imgdiff.operators.hallucination.phrase_relevance_filter import PhraseRelevanceFilter
from imgdiff.recipe.check import check

RECIPE, PAIRS_RECIPE = "recipes/efuf_data.yaml", "recipes/pairs.yaml"
WRONG = 0.02  # share of phrases in a set that may not belong there, where thresholds are chosen
COUNTS = {  # of scenes by what they are for, and of pairs
    "scenes": 300,  # methods of scoring and thresholds, validation split
    "test_scenes": 400,
    "pairs": 80,  # threshold for crops, validation split
    "test_pairs": 160,
}


def recipe_method() -> ScoringMethod:
    """How the recipe scores."""
    params = next(
        op for op in check(RECIPE).operators if isinstance(op, PhraseRelevanceFilter)
    ).params
    return ScoringMethod((params.window, params.stride), params.aggregate, params.template)


def method_figures(cases: Sequence[Captioned]) -> dict[ScoringMethod, Figure]:
    return {method: auc(method.name, str(method), cases, method) for method in METHODS}


def set_figures(cases: Sequence[Captioned], method: ScoringMethod, limits: Limits) -> list[Figure]:
    """What is in the sets that the thresholds make."""
    scores, truths = flat(cases, method)
    positive, negative = scores > limits.positive_above, scores < limits.negative_below
    whole = [_is_shown(case.scores[method], limits) for case in cases]
    shown = truths == "shown"
    return [
        auc("auc", "shown against made up: ROC-AUC", cases, method),
        share("made_up", "phrases that are made up", list(truths == "made up")),
        share("other_colour", "phrases with another colour", list(truths == "other colour")),
        share("positive_precision", "in D+: shown as it says", list(shown[positive])),
        share("positive_recall", "of what is shown: in D+", list(positive[shown])),
        share("negative_precision", "in D-: not shown so", list(~shown[negative])),
        share(
            "negative_made_up", "in D-: no such thing at all", list(truths[negative] == "made up")
        ),
        share("negative_recall", "of what is made up: in D-", list(negative[truths == "made up"])),
        share(
            "sentence_precision",
            "in Ds: captions of which all is shown",
            [
                all(truth == "shown" for truth in case.truths)
                for case, kept in zip(cases, whole, strict=True)
                if kept
            ],
        ),
        share("sentence_share", "captions in Ds", whole),
    ]


def _is_shown(scores: np.ndarray, limits: Limits) -> bool:
    """Whether a caption is in Ds, by the scores of its phrases."""
    return bool(scores.mean() > limits.sentence_above and scores.min() >= limits.negative_below)


def table(title: str, figures: Sequence[Figure]) -> Table:
    made = Table(title=title, title_justify="left", box=None)
    for name in ("figure", "what it says"):
        made.add_column(name)
    for name in ("value", "95 %", "cases"):
        made.add_column(name, justify="right")
    for f in figures:
        made.add_row(f.name, f.meaning, *_cells(f))
    return made


def _cells(f: Figure) -> tuple[str, str, str]:
    return f"{f.value:.3f}", f"{f.low:.3f} to {f.high:.3f}", str(f.cases)


def markdown(figures: Sequence[Figure]) -> str:
    lines = ["| figure | what it says | value | 95 % | cases |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{f.name}` | {f.meaning} | {' | '.join(_cells(f))} |" for f in figures]
    return "\n".join(lines)


def methods_markdown(methods: dict[ScoringMethod, Figure]) -> str:
    lines = ["| seen | put together | text | ROC-AUC | 95 % |", "| --- | --- | --- | --- | --- |"]
    for method, f in methods.items():
        how = "" if isinstance(method.view, str) else method.aggregate
        value, interval, _ = _cells(f)
        lines.append(f"| {method} | {how} | `{method.template}` | {value} | {interval} |")
    return "\n".join(lines)


def plot(cases: Sequence[Captioned], method: ScoringMethod, limits: Limits, path: Path) -> None:
    """The scores of all phrases by truth, with the thresholds."""
    scores, truths = flat(cases, method)
    picture, panel = plots.subplots(figsize=(8, 3.2))
    bins = np.arange(np.floor(scores.min() * 20) / 20, 1.001, 0.025)
    for truth, colour in (("shown", "C2"), ("other colour", "C1"), ("made up", "C3")):
        mine = scores[truths == truth]
        label = f"{truth} ({len(mine)})"
        panel.hist(mine, bins, density=True, alpha=0.55, color=colour, label=label)
    for cut in (limits.negative_below, limits.sentence_above, limits.positive_above):
        panel.axvline(cut, color="k", linestyle="--", linewidth=1)
    panel.set(xlabel="score of a phrase (cosine)", ylabel="density")
    panel.legend(fontsize=8, loc="upper left")
    plots.save(picture, path)


def main() -> None:
    parser = benchmark_parser(
        __doc__,
        quick="a tenth of the scenes and pairs",
        write="write the page there, its histogram beside it",
    )
    given = parser.parse_args()
    count = {name: number // (10 if given.quick else 1) for name, number in COUNTS.items()}
    models, method, console = Models(bind("embedded")), recipe_method(), Console()
    validation = captioned(models, "validation", count["scenes"])
    compared = scored(models, half_made_up(validation), METHODS)
    methods, count["compared"] = method_figures(compared), len(compared)
    limits = choose(scored(models, validation, [method]), method, WRONG)
    test = scored(models, captioned(models, "test", count["test_scenes"]), [method])
    sets = set_figures(test, method, limits)
    min_itc = next(
        op for op in check(PAIRS_RECIPE).operators if isinstance(op, RegionCaptionMatchingFilter)
    ).params.min_itc
    min_score = cut_of(regions(models, "validation", count["pairs"]))
    crops = region_figures(regions(models, "test", count["test_pairs"]), min_itc, min_score)
    chosen = {**vars(limits), "sentence_above": limits.sentence_above, "min_score": min_score}
    console.print(table("methods of scoring, validation split", list(methods.values())))
    console.print("chosen:", ", ".join(f"{name} {value:g}" for name, value in chosen.items()))
    console.print(table("sets, test split", sets), table("region captions, test split", crops))
    write_figures(
        {f.name: f.value for f in (*methods.values(), *sets, *crops)} | chosen, given.json
    )
    if given.write:
        histogram = given.write.with_suffix("") / "scores.png"
        plot(test, method, limits, histogram)
        tables = {
            "methods": methods_markdown(methods),
            "sets": markdown(sets),
            "regions": markdown(crops),
        }
        given.write.write_text(
            PAGE.format(
                quick=" --quick" * given.quick,
                histogram=histogram.relative_to(given.write.parent),
                wrong=WRONG,
                min_itc=min_itc,
                **count,
                **tables,
                **chosen,
            )
        )


PAGE = """# Phrases: what a caption names and its image does not show

Written by `python benchmarks/efuf_phrases.py{quick} --write docs/efuf-phrases.md`.

`recipes/efuf_data.yaml` lets the MLLM describe images, finds the things that its captions name,
scores each against its image by CLIP over sliding windows, and sorts them (EFUF, section 3.2):
**D+**, clearly shown; **D-**, clearly made up; **Ds**, captions of which all is shown. The columns
`phrases` and `sentence_set` of `data/pairs` say which phrase and which caption is in which set.
Sets are decided from stored scores: moved thresholds need no model.

At full size (`recipes/sdxl/efuf_data.yaml`) the thresholds are the paper's for CLIP-B/32, cosines
of 0.32, 0.23 and 0.275. They belong to its windows (192 of 480 pixels), to its text (`A photo
containing ...`) and to the maximum over windows; the mean of the top four patches, as in its code,
is lower throughout. The embedded CLIP has thresholds of its own, chosen here.

## Ways to score

Of {scenes} scenes of the validation split, described by the embedded MLLM, those with something
made up and as many others, {compared} together. A phrase is *shown* if the scene has the thing in
that colour, and *made up* if it has no such thing at all. *True boxes*: the best crop of the things
that are really there, which nobody knows of a photo; *whole image*: no windows.

{methods}

## The sets

Thresholds from all {scenes} scenes, so that at most {wrong:.0%} of a set do not belong there:
`positive_above: {positive_above:g}`, `negative_below: {negative_below:g}`, and half-way
`sentence_above: {sentence_above:g}`. What they make of {test_scenes} scenes of the test split:

{sets}

![Scores of phrases, by what they are]({histogram})

## Region captions

`region_hallucination_filter` scores the phrases of a region's two captions against their own crops
and refuses the region where one is too low. {test_pairs} rendered pairs of the test split,
unchanged ones left out, with boxes around the changed thing of A and of B and both captions by the
embedded MLLM; right are those whose two captions name thing and colour.
`region_caption_matching_filter` has the recipe's `min_itc: {min_itc:g}`; `min_score: {min_score:g}`
keeps 95 % of the right regions of {pairs} pairs of the validation split.

{regions}
"""


if __name__ == "__main__":
    main()
