"""How good the embedded models are, alone and together: one table with 95 % intervals.

    python benchmarks/quality.py [--quick] [--json FILE] [--only PART ...] [--ceiling FOLDER]
                                 [--write docs/embedded-models.md]

Everything is measured on toyland's test split, which no training saw. What a generated picture
shows is decided by the judge (`imgdiff/toyland/judge.py`), a convolutional network of its own that
was trained on rendered scenes alone and is measured first.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from arguments import benchmark_parser, write_figures
from embedded import chain, diffusion, editing, mllm, pairs, perception, sheets
from embedded.figures import Figure, plain
from embedded.page import write_page
from embedded.perception import recipe_params
from rich.console import Console
from rich.table import Table

from imgdiff.editing.edits import Windows
from imgdiff.models import Models
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint, bind
from imgdiff.operators.image_pairs.sdxl_prompt2prompt_mapper import SdxlPrompt2PromptMapper
from imgdiff.toyland.judge import Judge, load_judge


@dataclass
class Bench:
    """What the parts share. `share` of the cases is measured; contact sheets wait in `tiles`."""

    models: Models
    judge: Judge
    share: float
    ceiling: Path | None
    tiles: dict[str, tuple[list[sheets.Tile], int]] = field(default_factory=dict)  # and columns

    def cases(self, count: int) -> int:
        return math.ceil(count * self.share)


def measure_judge(bench: Bench) -> list[Figure]:
    return perception.judge_figures(bench.judge, bench.cases(1000))


def measure_diffusion(bench: Bench) -> list[Figure]:
    pipeline, setting = bench.models.diffusion().pipeline, recipe_params(SdxlPrompt2PromptMapper)
    how = {"steps": setting.num_inference_steps, "guidance": setting.guidance_scale}
    one, two, unseen = (
        diffusion.draw_captions(pipeline, bench.judge, things, bench.cases(100), **how, unseen=new)
        for things, new in ((1, False), (2, False), (1, True))
    )
    bench.tiles["generated"] = sheets.generated([*one[:16], *two[:16]]), 8
    return [
        *diffusion.diffusion_figures(one, two, unseen),
        diffusion.autoencoder_figure(pipeline, bench.cases(300)),
        diffusion.seconds_figure(pipeline, 16, **how),
    ]


def measure_editing(bench: Bench) -> list[Figure]:
    pipeline, setting = bench.models.diffusion().pipeline, recipe_params(SdxlPrompt2PromptMapper)
    segmenter, captions = bench.models.segmenter(), editing.caption_pairs(bench.cases(100))
    windows = Windows(
        setting.self_replace_steps, setting.cross_replace_steps, setting.self_replace_side
    )
    ours, without = (
        editing.edit(
            pipeline,
            bench.judge,
            captions,
            setting.num_inference_steps,
            setting.guidance_scale,
            used,
        )
        for used in (windows, editing.PLAIN)
    )
    bench.tiles["edits"] = sheets.edited(ours[:24], without[:24]), 3
    return [
        *editing.editing_figures(ours, segmenter),
        *editing.editing_figures(without, segmenter, prefix="same_seed", bars=False),
    ]


def measure_clip(bench: Bench) -> list[Figure]:
    return perception.clip_figures(bench.models.clip(), bench.cases(500))


def measure_matcher(bench: Bench) -> list[Figure]:
    return perception.matcher_figures(bench.models.matcher(), bench.cases(500))


def measure_segmenter(bench: Bench) -> list[Figure]:
    segmenter = bench.models.segmenter()
    bench.tiles["segments"] = sheets.segmented(segmenter, 12), 4
    return perception.segmenter_figures(segmenter, bench.cases(200))


def measure_mllm(bench: Bench) -> list[Figure]:
    count, scenes = bench.cases(400), bench.cases(1000)
    figures = mllm.mllm_figures(bench.models.mllm(), count, scenes)
    if bench.ceiling:
        best = ImageTextToText.load(Checkpoint(name=str(bench.ceiling)))
        figures += mllm.mllm_figures(best, count, scenes, prefix="ceiling_")
    return figures


def measure_pairs(bench: Bench) -> list[Figure]:
    return pairs.pair_figures(bench.cases(300))


def measure_chain(bench: Bench) -> list[Figure]:
    made = chain.run_chain(bench.cases(200))
    samples = chain.samples_of(made.rows, bench.judge)
    bench.tiles["samples"] = sheets.sampled(samples[:20]), 4
    return chain.chain_figures(made, samples)


def measure_sizes(bench: Bench) -> list[Figure]:
    megabytes = {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        for folder in sorted(EMBEDDED_WEIGHTS.iterdir())
    }
    figures = [plain(f"{name}_mb", f"{name}: MB", size, 1) for name, size in megabytes.items()]
    return [*figures, plain("all_mb", "together: MB", sum(megabytes.values()), 1, at_most=40)]


PARTS: dict[str, tuple[str, Callable[[Bench], list[Figure]]]] = {
    "judge": ("The judge", measure_judge),
    "diffusion": ("Diffusion", measure_diffusion),
    "editing": ("Prompt-to-prompt, beside plain generation from the same seed", measure_editing),
    "clip": ("CLIP, zero-shot", measure_clip),
    "matcher": ("Matcher", measure_matcher),
    "segmenter": ("Segmenter", measure_segmenter),
    "mllm": ("MLLM", measure_mllm),
    "pairs": ("Rendered pairs through recipes/pairs.yaml", measure_pairs),
    "chain": ("Captions through recipes/replace.yaml", measure_chain),
    "sizes": ("Sizes", measure_sizes),
}


def show(title: str, figures: list[Figure], seconds: float) -> None:
    table = Table("figure", "value", "95 %", "cases", "bar", "", title=f"{title} ({seconds:.0f} s)")
    for f in figures:
        interval = f"{f.low:.3f} to {f.high:.3f}" if f.low != f.high else ""
        passes = {None: "", True: "ok", False: "BELOW" if f.at_most is None else "OFF"}[f.passes]
        table.add_row(f.name, f"{f.value:.3f}", interval, str(f.cases), f.bar, passes)
    Console().print(table)


def flat(figures: list[Figure]) -> dict[str, float]:
    """name, name_low, name_high, name_cases."""
    values: dict[str, float] = {}
    for f in figures:
        values |= {f.name: f.value, f"{f.name}_low": f.low, f"{f.name}_high": f.high}
        values[f"{f.name}_cases"] = f.cases
    return values


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="a sixth of the cases", write="write the page there, its sheets beside it"
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--ceiling", type=Path, metavar="FOLDER", help="measure this MLLM too: the clean one"
    )
    given = parser.parse_args()
    bench = Bench(
        Models(bind("embedded")), load_judge(), 1 / 6 if given.quick else 1.0, given.ceiling
    )
    measured: dict[str, list[Figure]] = {}
    for name in given.only:
        title, measure = PARTS[name]
        started = time.perf_counter()
        measured[title] = measure(bench)
        show(title, measured[title], time.perf_counter() - started)
    write_figures(flat([f for part in measured.values() for f in part]), given.json)
    if given.write:
        write_page(given.write, measured, bench.tiles)


if __name__ == "__main__":
    main()
