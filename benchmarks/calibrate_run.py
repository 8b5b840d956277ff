"""What `imgdiff calibrate` reaches: limits chosen by 60 ratings, on pairs that nobody rated.

    python benchmarks/calibrate_run.py [--quick] [--json FILE]

Runs `recipes/pairs.yaml` with its limits open on rendered pairs of the validation split and of the
test split. Of the first 60 samples are chosen as the command chooses them, and rated by the truth:
a sample is right if an object was replaced, the box covers it, and region captions and sentence
name both things. Limits chosen by these ratings then decide about the second.

Three families of models: the embedded ones, and two whose scores are those of the embedded ones
passed through a map that keeps their order. For these the limits of the recipe are wrong: one run
is dirty, the other one empty. Beside the choice of the command, the mean over 20 other choices of
60. (Where the recipe's own limits came from: `calibrate.py`, `calibrate_chain.py`.)
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from arguments import benchmark_parser, write_figures
from embedded.figures import Figure, mean, plain, share
from rendered import make_pairs, run_recipe
from rich.console import Console
from rich.table import Table

from imgdiff.data.boxes import iou
from imgdiff.data.rows import Region, Row
from imgdiff.operator import Operator
from imgdiff.recipe.check import check
from imgdiff.statistics.calibration import Calibration, calibrate
from imgdiff.statistics.choice import choose
from imgdiff.statistics.scored import ScoredSamples, limits_of, opened, scored_samples
from imgdiff.toyland.pairs import RenderedPair

RECIPE = Path("recipes/pairs.yaml")
RATED, CHOICES = 60, 20
WISHES = (0.8, 0.9)
FAMILIES: dict[str, Callable[[float], float]] = {
    "embedded": lambda score: score,
    "dirty": lambda score: 0.4 + 0.25 * float(np.tanh(1.5 * score)),
    "empty": lambda score: 0.05 + 0.1 * score,
}
Figures = dict[str, list[Figure]]  # row of the table -> its cells


@dataclass(frozen=True)
class Pool:
    """The samples of a run, and the truth about them: [N] bool."""

    samples: ScoredSamples
    right: np.ndarray


def run_open(opening: Sequence[str], split: str, count: int) -> list[tuple[RenderedPair, Row]]:
    """The recipe with open limits on rendered pairs of a split."""
    pairs = make_pairs(split, count)
    with tempfile.TemporaryDirectory() as folder:
        rows = run_recipe(RECIPE, pairs, Path(folder), opening)
    return [(pair, row) for (_, pair), row in zip(pairs, rows, strict=True)]


def pool(
    operators: Sequence[Operator],
    made: Sequence[tuple[RenderedPair, Row]],
    family: Callable[[float], float],
) -> Pool:
    """What a family of models would have made: the same, but for its scores."""
    rows = [in_family(row, family) for _, row in made]
    pairs = {row.id: pair for pair, row in made}
    samples = scored_samples(operators, rows)
    return Pool(
        samples,
        np.array([is_right(pairs[each.row.id], each.region) for each in samples.samples], bool),
    )


def is_right(pair: RenderedPair, region: Region) -> bool:
    """An object was replaced, the box covers it, and captions and sentence name both things."""
    left, _, right = region.difference.partition("right image")
    said = (region.caption_a, region.caption_b), (left, right)
    named = all(pair.old.name in old and pair.new.name in new for old, new in said)
    covered = max(iou(region.box_xyxy, box) for box in pair.boxes_xyxy) >= 0.5
    return pair.kind == "replaced" and covered and named


def in_family(row: Row, family: Callable[[float], float]) -> Row:
    """The row with every score passed through a map, but for areas, which no model measures."""
    copied = row.copy()
    for region in copied.regions:
        scores = region.scores.items()
        region.scores = {k: v if k == "area" else family(v) for k, v in scores}
    return copied


def calibrated(rated: Pool, wished: float, seed: int = 0) -> Calibration:
    """Limits by the truth about 60 samples."""
    weights = choose(rated.samples, RATED, seed)
    ids = [each.id for each in rated.samples.samples]
    truth = dict(zip(ids, map(bool, rated.right), strict=True))
    return calibrate(rated.samples, {k: truth[k] for k in weights}, weights, wished)


def measured(name: str, unrated: Pool, kept: np.ndarray) -> list[Figure]:
    """The precision of what is kept, and the share of the right samples that is."""
    return [
        share(f"{name}_precision", "precision", unrated.right[kept].tolist()),
        share(f"{name}_yield", "right samples kept", kept[unrated.right].tolist()),
    ]


def family_figures(family: str, shipped: Sequence[Operator], rated: Pool, unrated: Pool) -> Figures:
    """Rows of the table by their names."""
    recipe = [limit.sign * limit.now for limit in limits_of(shipped)]
    found = {
        f"{family}, no limits": measured(
            f"{family}_none", unrated, np.ones(len(unrated.samples), bool)
        ),
        f"{family}, the recipe's limits": measured(
            f"{family}_recipe", unrated, unrated.samples.kept(np.array(recipe))
        ),
    }
    for wished in WISHES:
        name = f"{family}_{wished:g}"
        told = calibrated(rated, wished)
        kept = unrated.samples.kept(told.best.limits)
        held = told.held_out
        said = Figure(f"{name}_told", "told", held.value, held.low, held.high, held.items)
        reached = plain(f"{name}_reached", "said to be reached", float(told.reached), 1)
        found[f"{family}, wished {wished:g}"] = [*measured(name, unrated, kept), said, reached]
        found[f"{family}, wished {wished:g}, {CHOICES} choices"] = others(
            f"{name}_others", wished, rated, unrated
        )
    return found


def others(name: str, wished: float, rated: Pool, unrated: Pool) -> list[Figure]:
    """The same by other choices of as many samples."""
    told = [calibrated(rated, wished, seed) for seed in range(1, CHOICES + 1)]
    kept = [unrated.samples.kept(each.best.limits) for each in told]
    right = unrated.right
    return [
        mean(f"{name}_precision", "precision", [right[each].mean() for each in kept if each.any()]),
        mean(f"{name}_yield", "right samples kept", [each[right].mean() for each in kept]),
        mean(f"{name}_told", "told", [each.held_out.value for each in told if each.held_out.items]),
        mean(f"{name}_reached", "said to be reached", [float(each.reached) for each in told]),
    ]


def shown(figure: Figure) -> str:
    if not figure.cases:
        return "nothing kept"
    interval = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low < figure.high else ""
    return f"{figure.value:.3f}{interval}"


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="80 pairs to rate of and 40 others instead of 200 each"
    )
    given = parser.parse_args()
    counts = (80, 40) if given.quick else (200, 200)
    shipped = check(RECIPE).operators
    opening = [f"{name}={value}" for name, value in opened(shipped, limits_of(shipped)).items()]
    operators = check(RECIPE, opening).operators
    made = [
        run_open(opening, split, count)
        for split, count in zip(("validation", "test"), counts, strict=True)
    ]
    table = Table("", "precision", "right samples kept", "precision told", "said to be reached")
    figures: dict[str, float] = {}
    for family, scores in FAMILIES.items():
        pools = [pool(operators, each, scores) for each in made]
        for row, cells in family_figures(family, shipped, *pools).items():
            table.add_row(row, *map(shown, cells))
            figures |= {f.name: f.value for f in cells if f.cases}
        table.add_section()
    Console(width=150).print(table)
    write_figures(figures, given.json)


if __name__ == "__main__":
    main()
