"""What training on edited captions teaches a CLIP: before and after, on toyland.

    python benchmarks/ohd_clip.py [--quick] [--only PART ...] [--json FILE]
                                  [--write docs/ohd-clip-results.md]

The embedded CLIP is trained by `recipes/train/ohd_clip.yaml` on views that `imgdiff.toyland.make`
draws and `recipes/ohd_negatives.yaml` captions; scenes of the test split, of two and three things,
measure it. Trained models are kept in --work: run again, only what is not there is done.

clip, over three seeds:
- ohd: is the scene's caption above all of its 27 edited ones?
- swap: is it above captions of the same length, one category or colour exchanged for an absent one?
- shuffled: the same as both with another scene's image, which text alone could win.
- zero-shot: category and colour of object crops, as `benchmarks/quality.py` measures them.

losses: which loss does it, one seed, fewer steps.
filters: the tuned CLIP as `clip` of `recipes/replace.yaml`: the two filters that read its cosines.
mllm: its tower as the MLLM's, whose projector is retrained; the control is the shipped tower.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from arguments import benchmark_parser, write_figures
from embedded.figures import Figure, mean
from embedded.filters import filter_figures
from embedded.ohd_cases import Case, cases, chance, embedded, picked
from embedded.perception import recognised
from embedded.tower import said_through, tower_figures
from hallucination_parts.bench import Bench
from hallucination_parts.scenes import HeldOutScenes
from quality import flat
from rendered import make_pairs, run_on
from rich.console import Console
from rich.table import Table

from imgdiff.models.families.clip import ClipTowers
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.make import write_views

NEGATIVES, RECIPE = Path("recipes/ohd_negatives.yaml"), "recipes/train/ohd_clip.yaml"
ALTERATIONS = 18  # beside the 27
SHIPPED = EMBEDDED_WEIGHTS / "clip"
MEANINGS = {
    "ohd": "caption above all edited ones",
    "swap": "caption above all of its length",
    "shuffled": "edited, foreign image",
    "swap_shuffled": "of its length, foreign image",
    "zero_shot": "zero-shot: category and colour of crops",
    "zero_shot_unseen": "the same of unseen combinations",
}
HEAD = """# What edited captions teach the embedded CLIP

Written by `python benchmarks/ohd_clip.py --write docs/ohd-clip-results.md`, whose first lines say
what each test is; [ohd-clip.md](ohd-clip.md) says what is trained, and what follows from this.
Intervals are 95 %, scenes and crops resampled, each with all its seeds.

"""
LOSSES = {  # of the ablation: name -> overrides of the recipe
    "L0": ["loss.own_weight=0", "loss.edited_weight=0"],
    "L0 + L1": ["loss.edited_weight=0"],
    "L0 + L2, closer": ["loss.own_weight=0", "loss.edited_captions=closer"],
    "all, closer": ["loss.edited_captions=closer"],
    "all, farther": ["loss.edited_captions=farther"],
}
WARMUP = "trainer.warmup_steps=15"  # of the ablation's short trainings
Hits = dict[str, np.ndarray]  # of a test -> [cases], the share of each that is right


@dataclass(frozen=True)
class Size:
    """How much is drawn and measured.

    views: to train on. overrides: of the recipe, for every training. loss_steps, projector_steps:
    of the short trainings.
    """

    views: int
    overrides: tuple[str, ...]
    cases: int
    crops: int
    pairs: int
    scenes: int
    seeds: tuple[int, ...]
    loss_steps: int
    projector_steps: int


FULL = Size(24000, (), 300, 600, 400, 300, (42, 43, 44), 150, 100)
QUICK = Size(4000, ("trainer.max_steps=150",), 150, 300, 200, 100, (42,), 20, 20)


@dataclass
class Work:
    """The folder where models are kept, and what parts share."""

    bench: Bench
    size: Size
    figures: list[Figure] = field(default_factory=list)

    @cached_property
    def cases(self) -> list[Case]:
        return cases(self.size.cases)

    @cached_property
    def before(self) -> Hits:
        return self.measured(SHIPPED)

    @cached_property
    def data(self) -> Path:
        """Views with their negatives, as parquet."""
        folder = self.bench.folder / f"views_{self.size.views}_{ALTERATIONS}"
        data = folder / "negatives" / "data" / "pairs"
        if not data.is_dir():
            views = folder / "views" / "views.jsonl"
            if not views.is_file():
                write_views(views.parent, self.size.views)
            more = f"object_negatives_mapper.alterations={ALTERATIONS}"
            run_on(NEGATIVES, views, folder / "negatives", [more])
        return data

    def tuned(self, seed: int) -> Path:
        """The model of the recipe as it is."""
        name = f"clip_{self.size.views}_{ALTERATIONS}_{seed}"
        settings = [f"data={self.data}", f"seed={seed}", *self.size.overrides]
        return self.bench.trained(name, RECIPE, settings)

    def measured(self, model: Path) -> Hits:
        """Every test's hits of a CLIP, case by case."""
        clip, some, crops = (
            ClipTowers.load(Checkpoint(name=str(model))),
            self.cases,
            self.size.crops,
        )
        parts = [some[k : k + 64] for k in range(0, len(some), 64)]
        images = np.concatenate([clip.embed_images([c.image for c in part]) for part in parts])
        foreign = np.roll(images, 1, axis=0)
        own = [case.caption for case in some]
        edited, swapped = [case.edited for case in some], [case.swapped for case in some]
        texts = [text for case in some for text in (case.caption, *case.edited, *case.swapped)]
        vectors = embedded(clip, texts)
        return {
            "ohd": picked(images, own, edited, vectors),
            "swap": picked(images, own, swapped, vectors),
            "shuffled": picked(foreign, own, edited, vectors),
            "swap_shuffled": picked(foreign, own, swapped, vectors),
            "zero_shot": np.mean(recognised(clip, crops), axis=0),
            "zero_shot_unseen": np.mean(recognised(clip, crops, unseen=True), axis=0),
        }


def clip_part(work: Work) -> Table:
    """Before and after, the mean over seeds; cases are resampled, each with all its seeds."""
    after = [work.measured(work.tuned(seed)) for seed in work.size.seeds]
    title = f"Before and after, {len(after)} seed{'s' * (len(after) > 1)}"
    table = Table("test", "before", "after", "change", "cases", "seeds", "bar", "", title=title)
    limits = bars(work.before, work.cases)
    for name, meaning in MEANINGS.items():
        old, new = work.before[name], np.mean([hits[name] for hits in after], axis=0)
        found = [
            mean(f"{name}_before", meaning, old),
            mean(f"{name}_after", meaning, new, **limits.get(name, {})),
            mean(f"{name}_change", meaning, new - old),
        ]
        work.figures += found
        result = {None: "", True: "ok", False: "missed"}[found[1].passes]
        seeds = " ".join(f"{hits[name].mean():.3f}" for hits in after)
        line = [*map(interval, found), str(len(old)), seeds, found[1].bar, result]
        table.add_row(meaning, *line)
    return table


def bars(before: Hits, some: Sequence[Case]) -> dict[str, dict[str, float]]:
    """40 points more on edited captions and 25 on swapped ones, or 95 %; blind to a foreign image;
    zero-shot within half a point."""
    blind = chance([case.edited for case in some])
    limits = {
        "ohd": {"at_least": min(0.95, before["ohd"].mean() + 0.40)},
        "swap": {"at_least": min(0.95, before["swap"].mean() + 0.25)},
        "shuffled": {"at_least": max(0.0, blind - 0.05), "at_most": blind + 0.05},
        "zero_shot": {"at_least": before["zero_shot"].mean() - 0.005},
    }
    return {
        test: {bar: round(float(value), 4) for bar, value in limit.items()}
        for test, limit in limits.items()
    }


def losses_part(work: Work) -> Table:
    tests, steps = (
        ("ohd", "swap", "shuffled", "zero_shot", "zero_shot_unseen"),
        work.size.loss_steps,
    )
    table = Table(
        "loss", *(MEANINGS[test] for test in tests), title=f"Losses, {steps} steps, one seed"
    )
    measured = {"untrained": work.before}
    for name, overrides in LOSSES.items():
        folder = "loss_" + "".join(c for c in name if c.isalnum()) + f"_{steps}"
        settings = [
            f"data={work.data}",
            f"trainer.max_steps={steps}",
            "validation.rows=20",
            WARMUP,
            *overrides,
        ]
        measured[name] = work.measured(work.bench.trained(folder, RECIPE, settings))
    for name, hits in measured.items():
        figures = [mean(f"{name}: {test}", MEANINGS[test], hits[test]) for test in tests]
        work.figures += figures
        table.add_row(name, *map(interval, figures))
    return table


def filters_part(work: Work) -> Table:
    pairs = [pair for _, pair in make_pairs("test", work.size.pairs)]
    found = {}
    for when, model in (("before", SHIPPED), ("after", work.tuned(work.size.seeds[0]))):
        found[when] = filter_figures(ClipTowers.load(Checkpoint(name=str(model))), pairs, when)
        work.figures += found[when]
    title = "Filters on rendered pairs: precision and recall at equal yield, one seed"
    table = Table("regions", "before", "after", "kept", title=title)
    for one, other in zip(found["before"], found["after"], strict=True):
        table.add_row(one.meaning, interval(one), interval(other), str(one.cases))
    return table


def mllm_part(work: Work) -> Table:
    scenes, steps = HeldOutScenes(work.size.scenes), work.size.projector_steps
    tuned = work.tuned(work.size.seeds[0])
    said = []
    for name, clip in (("control", SHIPPED), ("clip", tuned)):
        digest = Checkpoint(name=str(clip)).fingerprint()[-8:]  # another CLIP, another folder
        folder = work.bench.folder / f"mllm_{name}_{digest}_{steps}"
        said.append(said_through(clip, folder, steps, scenes))
    title = f"The MLLM, its projector retrained for {steps} steps, one seed"
    table = Table("", "shipped tower", "tuned tower", "change, points", "images", title=title)
    for found in tower_figures(*said):
        work.figures += found
        table.add_row(found[0].meaning, *map(interval, found), str(found[0].cases))
    return table


PARTS: dict[str, Callable[[Work], Table]] = {
    "clip": clip_part,
    "losses": losses_part,
    "filters": filters_part,
    "mllm": mllm_part,
}


def interval(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def markdown(table: Table) -> str:
    """A table of rich as Markdown has it."""
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    lines = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
    return "\n".join([lines[0], "|" + " --- |" * len(columns), *lines[1:]])


def main() -> None:
    parser = benchmark_parser(__doc__, quick="one seed, less of all", write="write the page there")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", default=Path("outputs/ohd-benchmark")
    )
    given = parser.parse_args()
    work = Work(Bench(given.work, given.quick), QUICK if given.quick else FULL)
    tables = []
    for name in given.only:
        started = time.perf_counter()
        tables.append(PARTS[name](work))
        Console(width=200).print(tables[-1], f"{time.perf_counter() - started:.0f} s")
    write_figures(flat(work.figures), given.json)
    if given.write:
        text = "\n\n".join(f"## {table.title}\n\n{markdown(table)}" for table in tables)
        given.write.write_text(HEAD + text + "\n")


if __name__ == "__main__":
    main()
