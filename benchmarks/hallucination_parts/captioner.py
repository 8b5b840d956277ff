"""The purified MLLM as the captioner of the default recipe: how many difference captions are right.

Captions of the test split become image pairs once; then every model captions the same boxes. A
model whose region captions fit better would keep more of them: the yield is made equal by raising
the matching filter's threshold for those who keep more. The agreement filter is left open, for it
would refuse what a captioner gets wrong, and hide it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from embedded.chain import run_in, sentence_right
from embedded.figures import Figure, plain
from rich.console import Console

from hallucination_parts import changes, efuf, seed, together
from hallucination_parts.bench import Bench
from imgdiff.data.rows import Region, Row

CAPTIONS = 200
OPEN = "region_caption_agreement_filter.min_agreement=0.0"
FIT = ("caption_itc_a", "caption_itc_b")  # scores of region_caption_matching_filter
Samples = list[tuple[int, Row, Region]]  # number of the caption, its row, a region that was kept


def measure(bench: Bench) -> list[Figure]:
    """Right sentences before, and after EFUF, SEED and both, over all seeds."""
    sets, _ = bench.efuf_sets
    folder = bench.folder / "captioner"
    folder.mkdir(parents=True, exist_ok=True)
    count = CAPTIONS // 4 if bench.quick else CAPTIONS
    kept = {"before": [samples(folder, count, seed.BASE)]}
    for name, make in (
        ("efuf", lambda number: efuf.model(bench, sets, number)),
        ("seed", lambda number: seed.model(bench, "seed", number)),
        ("together", lambda number: together.model(bench, number)),
    ):
        kept[name] = [samples(folder, count, make(number)) for number in bench.seeds]
    return captioner_figures(kept, count)


def samples(folder: Path, count: int, mllm: Path) -> Samples:
    """What the default recipe keeps with a captioner, whatever it says; pictures and boxes in
    `folder` are used again."""
    Console().print(f"captions by {mllm}")
    rows = run_in(folder, "test", count, [f"models.mllm={mllm}", OPEN]).rows
    return [
        (number, row, region)
        for number, row in enumerate(rows)
        if row.ok
        for region in row.kept_regions
    ]


def captioner_figures(kept: Mapping[str, Sequence[Samples]], count: int) -> list[Figure]:
    """kept: `before` and the others -> samples of each seed. count: captions."""
    least = min(len(some) for each in kept.values() for some in each)
    counts = {
        name: sum(tally(best(one, least), count) for one in each) for name, each in kept.items()
    }
    before, found = counts["before"], []
    for name, meaning in (
        ("before", "right difference captions"),
        ("efuf", "the same after EFUF"),
        ("seed", "the same after SEED"),
        ("together", "the same after both"),
    ):
        found.append(changes.level(f"captioner_{name}", meaning, counts[name], changes.share))
        if name != "before":
            change = before, counts[name], changes.share
            found.append(changes.difference(f"captioner_{name}_change", "change, points", *change))
        own = float(np.mean([len(some) for some in kept[name]]))
        found.append(
            plain(f"captioner_{name}_kept", "samples kept, agreement left open", own, count)
        )
    return [*found, plain("captioner_yield", "samples that were compared", least, count)]


def best(some: Samples, count: int) -> Samples:
    """The samples whose region captions fit best on their worse side."""
    return sorted(some, key=lambda sample: -min(sample[2].scores[name] for name in FIT))[:count]


def tally(some: Samples, count: int) -> np.ndarray:
    """[count, 2]: of every caption, how many of its samples are right, and how many there are."""
    counted = np.zeros((count, 2))
    for number, row, region in some:
        counted[number] += sentence_right(row, region), 1
    return counted
