"""Where to put the thresholds: each score on rendered pairs, for areas that changed and areas that
did not.

    python benchmarks/calibrate.py [--quick] [--json FILE] [--write docs/thresholds.md]

Runs `recipes/pairs.yaml` with every threshold open on pairs of the validation split, so that all
scores are there. For the image-text filters the lower of the two sides counts, as rule `all` has
it.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from arguments import benchmark_parser, write_figures
from rendered import make_pairs, run_recipe

from imgdiff.data.boxes import iou
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.toyland.pairs import RenderedPair
from imgdiff.toyland.scenes import draw, generator, sample_scene

OPEN = (
    "region_text_matching_filter.rule=any",
    "region_text_matching_filter.min_itc=-1.0",
    "region_text_matching_filter.min_itm=0.0",
    "region_difference_filter.max_similarity=1.0",
    "region_difference_filter.nms_iou=1.0",
    "region_difference_filter.max_regions=100",
    "region_caption_matching_filter.min_itc=-1.0",
    "region_caption_matching_filter.min_itm=0.0",
    "region_caption_similarity_filter.max_similarity=1.0",
)
HIGH_IS_GOOD = ("noun_itc", "noun_itm", "caption_itc", "caption_itm")
Samples = dict[
    str, tuple[list[float], list[float]]
]  # score -> values of what to keep, of what to refuse


@dataclass(frozen=True)
class Cut:
    """The threshold that keeps most of what should be kept for least of what should not (Youden's
    J)."""

    threshold: float
    kept_right: float
    kept_wrong: float


def changed(pair: RenderedPair, region: Region) -> bool:
    return (
        pair.kind == "replaced" and max(iou(region.box_xyxy, box) for box in pair.boxes_xyxy) >= 0.5
    )


def scores_of(pair: RenderedPair, row: Row) -> Iterator[tuple[str, bool, float]]:
    """(score, should it be kept, value) of every region that reached the last filter."""
    for region in row.kept_regions if pair.kind != "recoloured" else []:
        truth, s = changed(pair, region), region.scores
        for name in ("noun_itc", "noun_itm"):
            yield name, truth, min(s[f"{name}_a"], s[f"{name}_b"])
        for name in ("crop_similarity", "caption_similarity"):
            yield name, truth, s[name]
        if truth:
            right = pair.old.name in region.caption_a and pair.new.name in region.caption_b
            for name in ("caption_itc", "caption_itm"):
                yield name, right, min(s[f"{name}_a"], s[f"{name}_b"])


def image_similarities(pairs: list[tuple[str, RenderedPair]]) -> dict[str, list[float]]:
    """Whole-image CLIP cosines: of unchanged pairs, of pairs with one change, of two unrelated
    scenes."""
    clip = Models(bind("embedded")).clip()
    first = clip.embed_images([pair.images[0] for _, pair in pairs])
    second = clip.embed_images([pair.images[1] for _, pair in pairs])
    others = clip.embed_images(
        [draw(sample_scene(generator("test", 10_000 + k))).image for k in range(len(pairs))]
    )
    found: dict[str, list[float]] = defaultdict(list)
    for (_, pair), a, b, other in zip(pairs, first, second, others, strict=True):
        found[pair.kind].append(float(a @ b))
        found["unrelated"].append(float(a @ other))
    return found


def best_cut(keep: list[float], refuse: list[float], high_is_good: bool) -> Cut:
    sign = 1 if high_is_good else -1
    good, bad = sign * np.array(keep), sign * np.array(refuse)
    candidates = np.unique(np.concatenate([good, bad]))
    gains = [(good >= c).mean() - (bad >= c).mean() for c in candidates]
    cut = candidates[int(np.argmax(gains))]
    return Cut(float(sign * cut), float((good >= cut).mean()), float((bad >= cut).mean()))


def table(samples: Samples, similarities: dict[str, list[float]]) -> str:
    """Both tables as Markdown."""
    lines = [
        "| score | to keep: 5 % / median / 95 % | to refuse: 5 % / median / 95 % | cases "
        "| best cut | kept rightly | kept wrongly |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (keep, refuse) in samples.items():
        cut = best_cut(keep, refuse, name in HIGH_IS_GOOD)
        lines.append(
            f"| {name} | {spread(keep)} | {spread(refuse)} | {len(keep)} + {len(refuse)} "
            f"| {cut.threshold:.3f} | {cut.kept_right:.3f} | {cut.kept_wrong:.3f} |"
        )
    lines += [
        "",
        "| whole images | CLIP cosine: 5 % / median / 95 % | cases |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {kind} | {spread(values)} | {len(values)} |" for kind, values in similarities.items()
    ]
    return "\n".join(lines) + "\n"


def spread(values: list[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in np.quantile(values, [0.05, 0.5, 0.95]))


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="60 pairs instead of 300", write="write the page with the tables there"
    )
    given = parser.parse_args()
    pairs = make_pairs("validation", 60 if given.quick else 300)
    with tempfile.TemporaryDirectory() as folder:
        rows = run_recipe(Path("recipes/pairs.yaml"), pairs, Path(folder), OPEN)
    samples: Samples = defaultdict(lambda: ([], []))
    for (_, pair), row in zip(pairs, rows, strict=True):
        for name, keep, value in scores_of(pair, row):
            samples[name][0 if keep else 1].append(value)
    tables = table(samples, image_similarities(pairs))
    print(tables)
    cuts = {name: best_cut(*both, name in HIGH_IS_GOOD).threshold for name, both in samples.items()}
    write_figures(cuts, given.json)
    if given.write:
        given.write.write_text(PAGE.format(count=len(pairs), tables=tables))


PAGE = """# Thresholds of the embedded recipes

Written by `python benchmarks/calibrate.py --write docs/thresholds.md` from {count} rendered pairs
of the validation split: half with one object replaced, a quarter unchanged, a quarter with another
colour (left out of the first table). An area is *to keep* if it covers the replaced object (IoU
0.5), *to refuse* otherwise; for the caption scores, if the region captions name both objects
rightly, or not. *Best cut* is where the shares kept rightly and kept wrongly differ most. The
recipes use rounded values near it, but for [the default one](thresholds/replace.md), whose pairs
are generated: its values are those that serve its samples best.

{tables}"""


if __name__ == "__main__":
    main()
