"""A full-size recipe in the true shapes of its models, with random weights: does it fit, how fast?

    python benchmarks/full_size.py [--quick] [--json FILE] [--cache FOLDER] [--only PART ...]
    python benchmarks/full_size.py --device cuda

The recipe runs as `imgdiff run` does, with its limits opened: one pair of 128 pixels a side, two
steps, language models of two layers, in bfloat16 where the recipe says float16. Printed is the most
memory of each phase in this one process, and beside it that of the same phase in a process of its
own, whose bar is 1.1. The arithmetic of a phase over its seconds, over the rate of a large product
of matrices in bfloat16, is the share of that rate. With `--device cuda` all is as the recipe says,
with all layers. Random weights find few areas: their phase costs more with real ones.

Parts: phases; decoding, what one picture takes in SDXL's autoencoder; compile, what `compile: true`
of the diffusion model brings, without a GPU to a small one. The weights take 17 GB of disk (43 GB
with all layers) and are kept where `--cache` names a folder.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from arguments import benchmark_parser, show_figures, write_figures
from full_size_parts.compiling import compiling
from full_size_parts.decoding import decoding
from full_size_parts.meters import matmul_rate
from full_size_parts.phases import ROOT, Setup, measure, models
from full_size_parts.shapes import SMALL, TRUE
from memory_plan_parts.facts import GIB
from rich.console import Console
from rich.table import Table

from imgdiff.models.families.sdxl import StableDiffusionXl
from imgdiff.models.zoo import Checkpoint
from imgdiff.recipe.check import check

RECIPE = ROOT / "recipes" / "sdxl" / "replace.yaml"
DIFFUSION = "stabilityai/stable-diffusion-xl-base-1.0"
PARTS = ("phases", "decoding", "compile")
PAIRS = {"cpu": 1, "cuda": 8}
STEPS = {"cpu": 2, "cuda": 50}  # of a pair that a compiled UNet draws
COMPILED_SIDE = {"cpu": 128, "cuda": 1024}
BAR = 1.1
Figures = dict[str, float]


def main() -> None:
    parser = benchmark_parser(__doc__, quick="small models of the same classes")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where weights are kept")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="of recipes/sdxl")
    parser.add_argument("--layers", type=int, help="of language models; without a GPU 2")
    parser.add_argument("--pairs", type=int, help="that are made; one, or 8 on a GPU")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    with folder(given.cache) as cache, folder(None) as work:
        setup = Setup(
            recipe=given.recipe,
            device=given.device,
            cache=cache / ("small" if given.quick else "true"),
            shapes=SMALL if given.quick else TRUE,
            layers=given.layers or (None if given.device == "cuda" else 2),
            pairs=given.pairs or PAIRS[given.device],
        )
        measured = {
            "phases": lambda: phase_figures(setup, work),
            "decoding": lambda: decoding_figures(setup),
            "compile": lambda: compile_figures(setup),
        }
        figures: Figures = {}
        for part in given.only:
            figures |= measured[part]()
            write_figures(figures, given.json)  # what is measured is kept, whatever comes after it


@contextmanager
def folder(named: Path | None) -> Iterator[Path]:
    """That folder, or one that is deleted at the end."""
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        yield named.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="imgdiff-full-size-") as name:
        yield Path(name)


def phase_figures(setup: Setup, work: Path) -> Figures:
    """Print the table of the phases."""
    made = models(setup)
    found = measure(setup, {role: model for role, (model, _) in made.items()}, work)
    rate = matmul_rate(setup.device)
    plan = check(setup.recipe)
    roles = {phase.name: phase.loaded_roles for phase in plan.phases}
    billions = sum(count for _, count in made.values()) / 1e9
    figures: Figures = {"matmul_tflops": rate, "parameters_billion": billions}
    for each in found:
        figures |= of_phase(each, [made[role] for role in roles[each["name"]]], rate)
    figures["memory_ratio_most"] = max(figures[f"{each['name']}_memory_ratio"] for each in found)
    show_phases([each["name"] for each in found], figures)
    return figures


def of_phase(
    found: Mapping[str, Any], loaded: list[tuple[Checkpoint, int]], rate: float
) -> Figures:
    """found: see `full_size_parts.phases.measure`. loaded: its models with their parameters.
    rate: TFLOP/s of a product of matrices."""
    weights = sum(count * (4 if model.dtype == "float32" else 2) for model, count in loaded)
    seconds = sum(found["seconds"].values())
    figures = {
        "weights_gib": weights / GIB,
        "together_gib": found["peak"] / GIB,
        "alone_gib": found["alone"] / GIB,
        "memory_ratio": found["peak"] / found["alone"],
        "pair_s": seconds / found["rows"],
        "pair_tflop": found["tflop"] / found["rows"],
        "share_of_matmul": found["tflop"] / seconds / rate,
    }
    if found["written"]:
        figures["tokens_read_per_s"] = found["read"] / found["answering"]
        figures["tokens_written_per_s"] = found["written"] / found["answering"]
    return {f"{found['name']}_{key}": value for key, value in figures.items()}


MEMORY = {
    "weights_gib": "weights",
    "together_gib": "in the run",
    "alone_gib": "alone",
    "memory_ratio": "ratio",
}
SPEED = {
    "pair_s": "s a pair",
    "pair_tflop": "TFLOP",
    "share_of_matmul": "share",
    "tokens_read_per_s": "read/s",
    "tokens_written_per_s": "written/s",
}


def show_phases(names: list[str], figures: Mapping[str, float]) -> None:
    console = Console()
    for title, columns in (("GiB at most", MEMORY), ("a pair; tokens", SPEED)):
        table = Table("phase", *columns.values(), title=title)
        for name in names:
            given = [figures.get(f"{name}_{key}") for key in columns]
            table.add_row(name, *("" if value is None else f"{value:.2f}" for value in given))
        console.print(table)
    rate, most = figures["matmul_tflops"], figures["memory_ratio_most"]
    verdict = "met" if most <= BAR else "MISSED"
    parameters = figures["parameters_billion"]
    console.print(f"{parameters:.2f} billion parameters; matmul in bfloat16 {rate:.2f} TFLOP/s")
    console.print(f"at most {most:.3f} of what a phase alone needs; bar {BAR}: {verdict}")


def decoding_figures(setup: Setup) -> Figures:
    side = 256 if setup.shapes is SMALL else 1024
    vae = setup.shapes[DIFFUSION].parts(0)["vae"]
    figures = decoding(setup.device, side, vae)
    show_figures(f"a picture of {side} x {side} in the autoencoder, GiB", figures, None)
    return figures


def compile_figures(setup: Setup) -> Figures:
    """Without a GPU of the small model alone."""
    if setup.device == "cpu":
        setup = replace(setup, shapes=SMALL, cache=setup.cache.parent / "small")
    checkpoint, _ = models(setup)["diffusion"]
    pipeline = StableDiffusionXl.load(checkpoint).pipeline
    figures = compiling(pipeline, COMPILED_SIDE[setup.device], STEPS[setup.device])
    show_figures("compile: true, two pairs at a time", figures, None)
    return figures


if __name__ == "__main__":
    main()
