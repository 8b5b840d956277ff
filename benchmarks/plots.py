"""How benchmarks draw: without a window, intervals as bars, into a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedded.figures import Figure


def subplots(*shape: int, **settings: Any) -> tuple[Any, Any]:
    """matplotlib's, in a process that has no screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(*shape, dpi=90, **settings)


def draw_figures(
    axis: Any, values: Sequence[float], figures: Sequence[Figure], number: int, label: str
) -> None:
    """A line of figures over the values of a setting, with their intervals. number: of its
    colour."""
    errors = [[f.value - f.low for f in figures], [f.high - f.value for f in figures]]
    style = {"marker": "o", "capsize": 2, "color": f"C{number}", "label": label}
    axis.errorbar(values, [f.value for f in figures], errors, **style)


def save(picture: Any, path: Path) -> None:
    from matplotlib import pyplot

    picture.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path)
    pyplot.close(picture)
