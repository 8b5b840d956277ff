"""How good the models of the larger toy world are, as far as they are trained.

    python benchmarks/world.py [--quick] [--json FILE] [--only PART ...] [--weights FOLDER]
                               [--sheet FILE]

Everything is measured on the test split, which no training saw. Parts whose model is not there are
left out. What a generated picture shows is decided by the judge, which is measured first.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from arguments import benchmark_parser, write_figures
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from embedded.figures import Figure, mean, share
from rich.console import Console
from rich.table import Table

from imgdiff.toyland.judge import Judge, Seen, load_judge, look
from imgdiff.toyland.world.captions import scene_caption
from imgdiff.toyland.world.nuisances import redecoded
from imgdiff.toyland.world.sampling import PLAIN, WORLD, Mix, generator, sample_scene
from imgdiff.toyland.world.scenes import Scene, draw
from imgdiff.toyland.world.train.__main__ import PACKED
from imgdiff.toyland.world.train.judge import new_model

BATCH, STEPS, GUIDANCE = 8, 20, 3.0
BARS = {1: 0.95, 2: 0.85, 3: 0.65}  # number of things in a caption -> share that is to be right


@dataclass
class Bench:
    """weights: folder of the models. share: of the cases that are measured. shown: generated
    pictures with whether they are right."""

    weights: Path
    share: float
    judge: Judge | None = None
    shown: list[tuple[np.ndarray, bool]] = field(default_factory=list)

    def cases(self, count: int) -> int:
        return math.ceil(count * self.share)


def scenes_of_test(
    count: int, mix: Mix = WORLD, first: int = 0, things: int | None = None
) -> list[Scene]:
    return [sample_scene(generator("test", first + k), mix, things) for k in range(count)]


def names(seen: Sequence[Seen]) -> Counter[str]:
    return Counter(thing.name for thing in seen)


def is_right(scene: Scene, seen: Sequence[Seen]) -> bool:
    """Whether exactly the things of a scene are seen, each in its colour."""
    return names(seen) == Counter(thing.name for thing in scene.things)


def judge_figures(bench: Bench) -> list[Figure]:
    """The judge on rendered scenes; things that stand before another one may be seen as one with
    it, so plain scenes are shown apart."""
    assert bench.judge is not None
    figures = []
    for name, mix in (("plain", PLAIN), ("world", WORLD)):
        scenes = scenes_of_test(bench.cases(600), mix)
        seen = look(bench.judge, [draw(scene).image for scene in scenes])
        hits = [is_right(*pair) for pair in zip(scenes, seen, strict=True)]
        words = f"{name} scenes: the judge names every thing with its colour and no other"
        figures.append(share(f"judge_{name}", words, hits))
    return figures


def autoencoder_figures(bench: Bench) -> list[Figure]:
    folder = bench.weights / "decoder"
    if not folder.exists():
        folder = bench.weights / "autoencoder"
    vae = AutoencoderKL.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for scene in scenes_of_test(bench.cases(200)):
        image = draw(scene).image
        error = np.square(redecoded(image, vae).astype(float) - image).mean()
        found.append(10 * np.log10(255**2 / error))
    words = f"{folder.name}: PSNR on rendered scenes, dB"
    return [mean("autoencoder_psnr", words, found, at_least=33)]


def diffusion_figures(bench: Bench) -> list[Figure]:
    """Captions of one, two and three plain things, drawn and judged."""
    assert bench.judge is not None
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        bench.weights / "diffusion", dtype=torch.float32, add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    figures = []
    for things, bar in BARS.items():
        scenes = scenes_of_test(bench.cases(100), PLAIN, 20_000, things)
        captions = [
            scene_caption(scene, generator("test", 30_000 + k), sentences=1)
            for k, scene in enumerate(scenes)
        ]
        pictures = generate(pipeline, captions)
        seen = look(bench.judge, pictures)
        hits = [is_right(*pair) for pair in zip(scenes, seen, strict=True)]
        bench.shown += zip(pictures, hits, strict=True)
        words = f"captions with {things}: these things in their colours and no other"
        figures.append(share(f"diffusion_{things}", words, hits, at_least=bar))
        same = [
            Counter(t.category for t in one) == Counter(t.category for t in scene.things)
            for one, scene in zip(seen, scenes, strict=True)
        ]
        words = f"captions with {things}: the right categories, whatever the colours"
        figures.append(share(f"diffusion_{things}_categories", words, same))
    return figures


def generate(pipeline: StableDiffusionXLPipeline, captions: Sequence[str]) -> list[np.ndarray]:
    """One picture [128, 128, 3] uint8 for each caption; its number is the seed."""
    made: list[np.ndarray] = []
    for start in range(0, len(captions), BATCH):
        some = list(captions[start : start + BATCH])
        pictures = pipeline(
            some,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=[torch.Generator().manual_seed(start + k) for k in range(len(some))],
            output_type="np",
        ).images
        made += list((pictures * 255).round().astype(np.uint8))
    return made


PARTS: dict[str, tuple[str, Callable[[Bench], list[Figure]]]] = {
    "judge": ("judge", judge_figures),
    "autoencoder": ("autoencoder", autoencoder_figures),
    "diffusion": ("diffusion", diffusion_figures),
}


def sheet(shown: Sequence[tuple[np.ndarray, bool]], columns: int = 8) -> np.ndarray:
    """[H, W, 3] uint8: pictures in rows, framed in red where the judge sees something else."""
    tiles = []
    for picture, right in shown:
        colour = (255, 255, 255) if right else (230, 30, 30)
        tiles.append(cv2.copyMakeBorder(picture, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=colour))
    rows = [tiles[k : k + columns] for k in range(0, len(tiles) - columns + 1, columns)]
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def main() -> None:
    parser = benchmark_parser(__doc__, quick="a sixth of the cases")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--weights", type=Path, default=PACKED, help="folder of the models")
    parser.add_argument("--sheet", type=Path, help="write generated pictures there (.png)")
    given = parser.parse_args()
    bench = Bench(given.weights, 1 / 6 if given.quick else 1.0)
    if (given.weights / "judge").exists():
        bench.judge = load_judge(given.weights / "judge", new_model())
    figures: list[Figure] = []
    for part in given.only:
        folder, measure = PARTS[part]
        if (given.weights / folder).exists():
            figures += measure(bench)
    table = Table("figure", "what it says", "value", "95 %", "cases", "bar")
    for figure in figures:
        interval = f"{figure.low:.3f} to {figure.high:.3f}"
        bar = figure.bar + (" missed" if figure.passes is False else "")
        row = (figure.name, figure.meaning, f"{figure.value:.3f}", interval, str(figure.cases), bar)
        table.add_row(*row)
    Console().print(table)
    write_figures({f.name: f.value for f in figures}, given.json)
    if given.sheet and bench.shown:
        cv2.imwrite(str(given.sheet), sheet(bench.shown)[:, :, ::-1])


if __name__ == "__main__":
    main()
