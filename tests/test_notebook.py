"""docs/python.ipynb does what it shows."""

import json

import pytest
from notebook import PAGE, run_cells

TEXTS = (list, str, tuple)  # what the last lines of cells are that show no picture


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_did(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(PAGE.parents[1] / "recipes")
    cells = json.loads(PAGE.read_text())["cells"]
    shown = run_cells(cells)
    stored = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    assert all(stored), "store the outputs: python tests/notebook.py"
    texts = {k: value for k, value in enumerate(shown) if isinstance(value, TEXTS)}
    assert len(texts) == 4
    assert {k: "".join(stored[k][0]["data"]["text/plain"]) for k in texts} == {
        k: repr(value) for k, value in texts.items()
    }
