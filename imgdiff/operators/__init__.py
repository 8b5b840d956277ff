"""The operator set: one operator a file. Importing this package registers them all.

The wheel has the files beside this one; in a checkout they lie in the top-level `operators/`.
"""

import importlib
import pkgutil
from pathlib import Path

_HERE = Path(__file__).parent
if not any(_HERE.glob("*/__init__.py")):
    __path__ = [str(_HERE.parents[1] / "operators")]

for _module in pkgutil.walk_packages(__path__, prefix=f"{__name__}."):
    importlib.import_module(_module.name)
