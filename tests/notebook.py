"""The notebook's cells, run without Jupyter; `python tests/notebook.py` stores what they show."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "python.ipynb"


def run_cells(cells: list[dict[str, Any]]) -> list[Any]:
    """What the last expression of each cell of code is, None where there is none."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in cells:
        if cell["cell_type"] == "code":
            *before, last = ast.parse("".join(cell["source"])).body
            if not isinstance(last, ast.Expr):
                before.append(last)
            exec(compile(ast.Module(before, []), str(PAGE), "exec"), names)
            value = None
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), str(PAGE), "eval"), names)
            shown.append(value)
    return shown


def _output(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    data = {"text/plain": [repr(value)]}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = [value._repr_html_()]
    return [
        {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}
    ]


def main() -> None:
    page = json.loads(PAGE.read_text())
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    for cell, value in zip(code, run_cells(page["cells"]), strict=True):
        cell["outputs"] = _output(value)
    PAGE.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    main()
