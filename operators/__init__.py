"""The operator set: one operator a file. Importing this package registers them all."""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, prefix="operators."):
    importlib.import_module(_module.name)
