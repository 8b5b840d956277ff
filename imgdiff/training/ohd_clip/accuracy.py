"""OHD accuracy: how often an image's own caption beats all that were edited (OHD-Caps)."""

from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from imgdiff.evaluation.ohd import Item, scores
from imgdiff.statistics.estimates import Estimate
from imgdiff.training.ohd_clip.data import Collator, distinct_negatives
from imgdiff.training.ohd_clip.scoring import scored

BATCH = 32
ALL = "all"  # families together


@torch.inference_mode()
def measure_accuracy(model: PreTrainedModel, collator: Collator, rows: Any) -> dict[str, Estimate]:
    """The share of rows whose caption is above every distinct edited one, of `ALL` families and of
    each.

    As `imgdiff evaluate ohd` counts: a tie is a miss, a caption of two families is of the first. A
    family that no row has is left out.
    """
    model.eval()
    items, found = [], []
    for start in range(0, len(rows), BATCH):
        some = [rows[k] for k in range(start, min(start + BATCH, len(rows)))]
        batch = {name: value.to(model.device) for name, value in collator(some).items()}
        result = scored(model, model.logit_scale, batch)
        logits = torch.cat([result.own, result.edited], dim=1).float().cpu().numpy()
        for row, values in zip(some, logits, strict=True):
            texts = distinct_negatives(row)
            family = {n["caption"]: n["family"] for n in reversed(row["negatives"])}  # the first
            families = tuple(family[text] for text in texts)
            load = partial(np.asarray, row["image_a"])
            items.append(Item(load, (row["caption_a"], *texts), families))
            found.append(values[: 1 + len(texts)])
    parts = scores(items, found)
    return {
        ALL if part == "distinct" else part: figures["accuracy"]
        for part, figures in parts.items()
        if part != "raw"
    }
