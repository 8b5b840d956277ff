"""Zero-shot classification: of all classes, whose prompts fit an image best? (Radford et al. 2021,
arXiv 2103.00020, section 3.1)"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from imgdiff.data.readers.folder import PICTURES
from imgdiff.errors import RefusedError
from imgdiff.evaluation.asking import from_folder
from imgdiff.statistics.estimates import Estimate, mean
from imgdiff.text.grammar import article

TEMPLATES = ("a photo of {}.", "a picture of {}.", "a blurry photo of {}.", "a close-up of {}.")


@dataclass(frozen=True)
class Labelled:
    """load: gives the image, [H, W, 3] uint8 RGB. label: number of its class."""

    load: Callable[[], np.ndarray]
    label: int


@dataclass(frozen=True)
class Classes:
    """Images and the prompts of each class, by class number."""

    names: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]
    images: tuple[Labelled, ...]


def read_folder(folder: Path, limit: int | None = None) -> Classes:
    """A folder of class folders, which name the classes: `cat/1.jpg`, `fire_truck/2.png`.

    limit: images of each class.

    Raises:
        RefusedError: fewer than two folders in it hold images.
    """
    if not folder.is_dir():
        raise RefusedError(f"{folder}: no such folder")
    found = {
        place.name: [p for p in sorted(place.iterdir()) if p.suffix.lower()[1:] in PICTURES]
        for place in sorted(folder.iterdir())
        if place.is_dir()
    }
    names = tuple(name for name, paths in found.items() if paths)
    if len(names) < 2:
        raise RefusedError(f"{folder}: expected folders of images, one for each class")
    load = from_folder(folder)
    images = [
        Labelled(partial(load, f"{name}/{path.name}"), label)
        for label, name in enumerate(names)
        for path in found[name][:limit]
    ]
    spoken = (" ".join(name.replace("_", " ").split()) for name in names)
    prompts = tuple(tuple(t.format(f"{article(s)} {s}") for t in TEMPLATES) for s in spoken)
    return Classes(names, prompts, tuple(images))


def scores(
    images: Sequence[Labelled], classified: np.ndarray, classes: int
) -> dict[str, dict[str, Estimate]]:
    """Accuracy, and what chance would give.

    classified: [N, C], how well each class fits each image. As in OHD, the right class has to be
    above all others.
    """
    labels = np.array([image.label for image in images])
    own = classified[np.arange(len(labels)), labels]
    right = (classified >= own[:, None]).sum(1) == 1
    chance = mean(np.full(len(labels), 1 / classes))
    return {"zero-shot": {"accuracy": mean(right), "chance": chance}}
