"""Checkout, editable install and wheel hold all that a run needs, whatever lies in the working
folder."""

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from small_project import LIGHT_OPERATORS

from imgdiff.models.zoo import NAMED_SETS

ROOT = Path(__file__).parents[1]
PROCESS = ({"caption_edit_mapper": {"strategy": "lexicon"}}, "light_image_mapper", "light_areas")
BACKEND = "import sys, hatchling.build as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"


def build(kind: str, folder: Path) -> Path:
    """The file that an installer unpacks; kind: `build_wheel` or `build_editable`."""
    command = [sys.executable, "-c", BACKEND, kind, str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return folder / done.stdout.split()[-1]


def install(wheel: Path, folder: Path) -> Path:
    """The Python of a fresh environment: what this one has, and imgdiff from the wheel."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "the_other_packages.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_wheel_has_operators_recipes_and_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "imgdiff",
        "imgdiff_synth-0.1.0.dist-info",
    }
    for file in (*(ROOT / "operators").rglob("*.py"), *(ROOT / "recipes").rglob("*.*")):
        assert f"imgdiff/{file.relative_to(ROOT)}" in names
    for role in NAMED_SETS["embedded"]:
        weights = f"imgdiff/toyland/weights/{role}/"
        assert any(n.startswith(weights) and n.endswith(".safetensors") for n in names), role
    assert "imgdiff/report/page.html.jinja" in names
    assert "imgdiff/text/lexicons/english.yaml" in names
    assert wheel.stat().st_size < 48e6


@pytest.mark.parametrize(
    "way",
    [
        "checkout",
        pytest.param("editable", marks=pytest.mark.slow),
        pytest.param("wheel", marks=pytest.mark.slow),
    ],
)
def test_a_package_called_operators_shadows_nothing(project, tmp_path, request, way) -> None:
    python, env, home = Path(sys.executable), {**os.environ, "PYTHONPATH": ""}, ROOT
    if way == "checkout":
        env["PYTHONPATH"] = str(ROOT)
    elif way == "editable":
        python = install(build("build_editable", tmp_path), tmp_path / "env")
    else:
        python = install(request.getfixturevalue("wheel"), tmp_path / "env")
        home = tmp_path / "env"

    def call(*arguments: str) -> str:
        done = subprocess.run([python, *arguments], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    Path("operators").mkdir()
    Path("operators/__init__.py").write_text("raise RuntimeError('not ours')\n")
    Path("operators/mine.py").write_text(LIGHT_OPERATORS.read_text())
    project.write_captions([{"id": f"cap-{k}", "caption": "a red car"} for k in range(5)])
    recipe = project.write_recipe(operators=["operators/mine.py"], process=list(PROCESS))
    assert call("-c", "import imgdiff; print(imgdiff.__file__)").startswith(str(home))
    assert "sdxl_prompt2prompt_mapper" in call("-m", "imgdiff", "operators")
    call("-m", "imgdiff.run", str(recipe))
    assert [(row.status, row.reason) for row in project.rows()] == [("ok", "")] * 5
    assert all(row["caption_b"] != "a red car" for row in project.rows())
