"""The operator set: one operator a file, found there by `imgdiff.operator`.

The wheel has the files beside this one; in a checkout they lie in the top-level `operators/`.
"""

from pathlib import Path

_HERE = Path(__file__).parent
if not any(_HERE.glob("*/__init__.py")):
    __path__ = [str(_HERE.parents[1] / "operators")]
