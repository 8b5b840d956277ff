"""Tests of how captions score against images by CLIP, SigLIP, BLIP and the like: `imgdiff evaluate
ohd`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.progress import track

from imgdiff.errors import RefusedError
from imgdiff.evaluation import ohd, zero_shot
from imgdiff.evaluation.asking import from_folder
from imgdiff.evaluation.naming import named_model
from imgdiff.models.trust import Trust
from imgdiff.models.zoo import Checkpoint
from imgdiff.statistics.estimates import Estimate

if TYPE_CHECKING:
    from imgdiff.evaluation.image_text import Scorer

EMBEDDED = {"embedded": "clip", "embedded-matcher": "matcher"}
CROPS = Path("toyland")  # what --zero-shot means without a folder
ShownItem = TypeVar("ShownItem", ohd.Item, zero_shot.Labelled)
Tables = dict[str, dict[str, Estimate]]


def ohd_scores(given: argparse.Namespace) -> Tables:
    """Accuracy over candidates and by family, and of classification where it was asked for."""
    items = _items(given)[: given.limit]
    classes = _classes(given) if given.zero_shot else None
    if not items and classes is None:
        raise RefusedError("give --questions FILE, --run FOLDER, --toyland N or --zero-shot FOLDER")
    scorer = _scorer(given.model, given.trust)
    tables: Tables = {}
    if items:
        tables |= ohd.scores(items, _scored(scorer, items, given.batch_size))
    if classes is not None:
        tables |= _classified(scorer, classes, given.batch_size)
    return tables


def _items(given: argparse.Namespace) -> list[ohd.Item]:
    if given.questions is not None:
        if given.images is None:
            raise RefusedError("give --images FOLDER")
        return ohd.read_released(given.questions, from_folder(given.images))
    if given.run is not None:
        return ohd.read_run(given.run)
    if given.toyland is not None:
        from imgdiff.evaluation import toyland

        return toyland.ohd_items(given.toyland)
    return []


def _classes(given: argparse.Namespace) -> zero_shot.Classes:
    if given.zero_shot != CROPS:
        return zero_shot.read_folder(given.zero_shot, given.limit)
    if given.toyland is None:
        raise RefusedError("--zero-shot without a folder classifies crops: give --toyland N")
    from imgdiff.evaluation import toyland

    return toyland.thing_crops(given.toyland)


def _scorer(name: str, trust: Trust) -> "Scorer":
    from imgdiff.evaluation.image_text import load_scorer

    checkpoint = named_model(name, "clip", EMBEDDED, trust)
    assert isinstance(checkpoint, Checkpoint)  # a server plays no clip
    return load_scorer(checkpoint)


def _scored(scorer: "Scorer", items: Sequence[ohd.Item], size: int) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for some, pictures in _batches(items, size, "captions"):
        found += scorer.scores(pictures, [item.captions for item in some])
    return found


def _classified(scorer: "Scorer", classes: zero_shot.Classes, size: int) -> Tables:
    classify = scorer.classifier(classes.prompts)
    found = [classify(pictures) for _, pictures in _batches(classes.images, size, "classes")]
    return zero_shot.scores(classes.images, np.concatenate(found), len(classes.names))


def _batches(
    items: Sequence[ShownItem], size: int, what: str
) -> Iterator[tuple[Sequence[ShownItem], list[np.ndarray]]]:
    """Some items at a time, with their pictures."""
    starts = range(0, len(items), size)
    for start in track(starts, what, transient=True):
        some = items[start : start + size]
        yield some, [item.load() for item in some]
