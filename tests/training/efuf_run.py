"""A run of `recipes/efuf_data.yaml` with two captions: a true one and one with a duck."""

from pathlib import Path

import datasets
import numpy as np

from imgdiff.data.images import encode_png
from imgdiff.text import prompts

Captions = dict[str, tuple[str, list[tuple[str, float]]]]  # caption, phrases with scores
CAPTIONS: Captions = {
    "clean": ("A red car, a blue mug on the sand.", [("A red car", 0.9), ("a blue mug", 0.7)]),
    "wrong": ("A red house, a green duck on the snow.", [("a green duck", 0.1)]),
}


def write_run(folder: Path, captions: Captions = CAPTIONS, leave_out: str | None = None) -> None:
    rows = []
    for name, (caption, scored) in captions.items():
        phrases = [
            {
                "text": text,
                "start": caption.index(text),
                "end": caption.index(text) + len(text),
                "score": score,
                "set": "positive" if score > 0.5 else "negative",
            }
            for text, score in scored
        ]
        row = {
            "id": name,
            "image_a": encode_png(np.full((128, 128, 3), 90 + len(rows), np.uint8)),
            "caption_a": caption,
            "prompt": prompts.SCENE,
            "phrases": phrases,
            "sentence_set": "positive" if name == "clean" else "",
        }
        rows.append({key: value for key, value in row.items() if key != leave_out})
    place = folder / "data" / "pairs"
    place.mkdir(parents=True)
    datasets.Dataset.from_list(rows).to_parquet(str(place / "train-00000.parquet"))
