"""The source of the package, parsed: imgdiff, and the operators by their names within it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = {"imgdiff": ROOT / "imgdiff", "imgdiff.operators": ROOT / "operators"}


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name -> the parsed file; a package goes by its own name."""
    found = {}
    for name, folder in PLACES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (name, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text(), path)
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the package that one imports, anywhere in its file."""
    named = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(named & set(modules()))
