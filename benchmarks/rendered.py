"""Rendered pairs for the benchmarks, and what a recipe makes of them."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.toyland.make import write_pairs
from imgdiff.toyland.pairs import RenderedPair, recoloured_pair, replaced_pair, unchanged_pair
from imgdiff.toyland.scenes import generator

KINDS = (replaced_pair, unchanged_pair, replaced_pair, recoloured_pair)


def disturbed(image: np.ndarray, number: int, vae: "torch.nn.Module") -> np.ndarray:
    """[H, W, 3] uint8: moved by a pixel and JPEG-coded (even numbers), or encoded and decoded (odd
    ones)."""
    if number % 2 == 0:
        buffer = io.BytesIO()
        Image.fromarray(np.roll(image, (1, 1), (0, 1))).save(buffer, "JPEG", quality=90)
        return np.asarray(Image.open(buffer).convert("RGB"))
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        restored = vae.decode(vae.encode(pixels).latent_dist.mean).sample[0]
    return ((restored.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def make_pairs(split: str, count: int) -> list[tuple[str, RenderedPair]]:
    """Named pairs, image B of each disturbed: half replaced, a quarter unchanged, a quarter
    recoloured."""
    vae = Models(bind("embedded")).diffusion().pipeline.vae
    pairs = []
    for k in range(count):
        pair = KINDS[k % len(KINDS)](generator(split, k))
        second = disturbed(pair.images[1], k // len(KINDS), vae)
        pairs.append(
            (f"pair-{k:04d}", RenderedPair(**{**vars(pair), "images": (pair.images[0], second)}))
        )
    return pairs


def run_recipe(
    recipe: Path, pairs: list[tuple[str, RenderedPair]], folder: Path, overrides: Sequence[str] = ()
) -> list[Row]:
    """The rows that the recipe's run on these pairs ends with."""
    write_pairs(folder / "pairs", pairs)
    return run_on(recipe, folder / "pairs" / "pairs.jsonl", folder / "run", overrides)


def run_on(recipe: Path, dataset: Path, target: Path, overrides: Sequence[str] = ()) -> list[Row]:
    """The rows that the recipe's run ends with, all of them, in order."""
    from imgdiff.run import main as run
    from imgdiff.store.run_dir import open_complete

    settings = [f"dataset_path={dataset}", f"export_path={target}", *overrides]
    code = run([str(recipe), *settings])
    if code:
        raise SystemExit(f"the run ended with exit code {code}")
    finished = open_complete(target)
    return [row for shard in range(finished.shard_count) for row in finished.rows(shard)]
