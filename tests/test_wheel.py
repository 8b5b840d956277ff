"""The wheel holds all that a run needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from imgdiff.models.zoo import NAMED_SETS

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_has_operators_recipes_and_weights(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for operator in (ROOT / "operators").rglob("*.py"):
        assert str(operator.relative_to(ROOT)) in names
    for recipe in (ROOT / "recipes").rglob("*.*"):
        assert f"imgdiff/{recipe.relative_to(ROOT)}" in names
    for role in NAMED_SETS["embedded"]:
        weights = f"imgdiff/toyland/weights/{role}/"
        assert any(n.startswith(weights) and n.endswith(".safetensors") for n in names), role
    assert "imgdiff/report/page.html.jinja" in names
    assert "imgdiff/text/lexicons/english.yaml" in names
    assert wheel.stat().st_size < 48e6
