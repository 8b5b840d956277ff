"""`docs/embedded-models.md` from measured figures and contact sheets."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from embedded.figures import Figure
from embedded.sheets import Tile, write_sheet

TEMPLATE = "page.md.jinja"


def write_page(
    target: Path, measured: dict[str, list[Figure]], tiles: dict[str, tuple[list[Tile], int]]
) -> None:
    """Write the page, and its contact sheets into a folder of its name beside it.

    Args:
        measured: title of a part -> its figures.
        tiles: name of a sheet -> its tiles and the number of columns.
    """
    folder = target.with_suffix("")
    for name, (some, columns) in tiles.items():
        write_sheet(some, columns, folder / f"{name}.jpg")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["short"] = short
    text = environment.get_template(TEMPLATE).render(
        measured=measured, sheets={name: f"{folder.name}/{name}.jpg" for name in tiles}
    )
    target.write_text(text)


def short(value: float) -> str:
    """Three decimals below 10, else one."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
