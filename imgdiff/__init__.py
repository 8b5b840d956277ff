"""Contrastive image-pair data for multimodal models: the engine behind the operators in
`imgdiff.operators`.

From Python, see `docs/python.ipynb`:

    run = imgdiff.run_recipe("recipes/replace.yaml", limit=8)
    run.pairs[0]
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgdiff.api.calls import load_operator
    from imgdiff.api.runs import Run, run_recipe

__version__ = "0.1.0"
__all__ = ["Run", "load_operator", "run_recipe"]


def __getattr__(name: str) -> Any:
    """What `__all__` names, imported when it is used: the command line should start at once."""
    import importlib

    places = {"Run": "runs", "run_recipe": "runs", "load_operator": "calls"}
    if name not in places:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"imgdiff.api.{places[name]}"), name)
