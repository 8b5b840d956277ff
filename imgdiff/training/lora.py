"""What trainings with low-rank adapters share."""

from collections.abc import Sequence
from typing import Any

import torch

from imgdiff.errors import RefusedError


def layers_named(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Those layers whose names end in one of `wanted`, as `q_proj`; all of them if it is empty.

    Raises:
        RefusedError: none does.
    """
    chosen = [name for name in names if not wanted or name.rpartition(".")[2] in wanted]
    if not chosen:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        raise RefusedError(f"adapter.target_modules: no such layer. There are {known}")
    return chosen


def merged(model: Any, dtype: torch.dtype) -> Any:
    """The model with its low-rank adapters, if it has any, added to its weights: as fast as
    before."""
    return (model.merge_and_unload() if hasattr(model, "merge_and_unload") else model).to(dtype)
