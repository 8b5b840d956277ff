"""OHD accuracy: how often an image's own caption beats all that were edited (OHD-Caps)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from imgdiff.evaluation.estimates import Estimate, mean
from imgdiff.language.negatives import FAMILIES
from imgdiff.training.ohd.data import Collator, Example, distinct_negatives
from imgdiff.training.ohd.scoring import scored

BATCH = 32
ALL = "all"  # families together


@torch.inference_mode()
def measure(model: PreTrainedModel, collator: Collator, rows: Any) -> dict[str, Estimate]:
    """The share of rows whose caption is above every distinct edited one, of `ALL` families and of
    each.

    A tie is a miss. A family that no row has is left out.
    """
    model.eval()
    hits: dict[str, list[bool]] = {name: [] for name in (ALL, *FAMILIES)}
    for start in range(0, len(rows), BATCH):
        some = [rows[k] for k in range(start, min(start + BATCH, len(rows)))]
        batch = {name: value.to(model.device) for name, value in collator(some).items()}
        result = scored(model, model.logit_scale, batch)
        beaten = (result.own > result.edited).cpu().numpy()
        for row, won in zip(some, beaten, strict=True):
            for family, places in _places(row).items():
                hits[family].append(bool(won[places].all()))
    return {name: mean(np.array(some)) for name, some in hits.items() if some}


def _places(row: Example) -> Mapping[str, list[int]]:
    """Family -> which of the row's distinct negatives belong to it; one may belong to several."""
    number = {text: k for k, text in enumerate(distinct_negatives(row))}
    places: dict[str, list[int]] = {ALL: list(number.values())} if number else {}
    for negative in row["negatives"]:
        if negative["caption"] in number:
            places.setdefault(negative["family"], []).append(number[negative["caption"]])
    return places
