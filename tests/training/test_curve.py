"""The curve of a training."""

from pathlib import Path

import pytest
from PIL import Image

from imgdiff.training.curve import save_curve

HISTORY = [{"step": 1, "loss": 2.0, "epoch": 1}, {"step": 2, "loss": 1.0, "eval_loss": 1.5}]


def test_the_curve_as_numbers(tmp_path: Path) -> None:
    save_curve(HISTORY, tmp_path, "mine")
    lines = (tmp_path / "curve.csv").read_text().splitlines()
    assert lines == ["step,name,value", "1,loss,2", "2,loss,1", "2,eval_loss,1.5"]


@pytest.mark.parametrize("title", ["another", "$cost", "$cost$", "a\\b"])
def test_the_project_stands_above_the_curve(tmp_path: Path, title: str) -> None:
    """A name is drawn as it is: a dollar begins no formula."""
    drawn = []
    for name in ("", title):
        folder = tmp_path / f"of {len(name)}"
        folder.mkdir()
        save_curve(HISTORY, folder, name)
        with Image.open(folder / "curve.png") as picture:
            drawn.append(picture.tobytes())
    assert drawn[0] != drawn[1]
