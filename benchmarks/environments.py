"""The environments that imgdiff runs in, by what PyPI says today; needs `pip install uv`.

    python benchmarks/environments.py                  # resolves all, fills docs/install.md
    python benchmarks/environments.py --lowest FOLDER  # installs the lowest there, tests with it
    python benchmarks/environments.py --lowest FOLDER tests/models tests/test_models.py

The first installs nothing. The others need 8 GB of disk: PyPI's torch for Linux brings CUDA's
libraries and does not start without them. Where PyTorch's own index can be reached,
`UV_TORCH_BACKEND=cpu` does without.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STORED, PAGE = ROOT / "docs" / "install.json", ROOT / "docs" / "install.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TOOLS = ("vllm", "ms-swift", "llamafactory", "trl", "lmms-eval", "py-data-juicer")
SHOWN = ("torch", "transformers", "datasets", "accelerate", "huggingface-hub", "numpy", "pillow")
LOWEST_SHOWN = (
    *("torch", "transformers", "diffusers", "datasets"),
    *("numpy", "pillow", "pyarrow", "ray"),
)
EXTRAS = ("evaluate", "ray", "train")
TESTS_NEED = ("pytest", "pytest-timeout", "pytest-xdist", "scikit-image")
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
Versions = dict[str, str]


def uv(*arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, cwd=ROOT, input=lines, text=True, capture_output=True)


def resolved(python: str, *arguments: str, lines: str = "") -> tuple[Versions, str]:
    """Version of each package; none, and uv's reason, where nothing fits together.

    Args:
        python: version, for which Linux on x86-64 is resolved.
        arguments: of `uv pip compile`; lines: requirements, one a line.
    """
    fixed = ("--python", sys.executable, "--python-version", python, "--no-header", "--no-annotate")
    done = uv("pip", "compile", *arguments, "-", "-q", *fixed, lines=lines)
    if done.returncode and "No solution found" not in done.stderr:
        sys.exit(done.stderr)  # nothing is known: PyPI was not reached, for one
    if done.returncode:
        return {}, " ".join(done.stderr.split())
    return dict(PINNED.findall(done.stdout)), ""


def lowest(python: str) -> Versions:
    """The lowest versions that pyproject.toml allows, of what it names; the newest of the rest."""
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    versions, reason = resolved(python, "pyproject.toml", *extras, "--resolution", "lowest-direct")
    if reason:
        sys.exit(f"Python {python}: {reason}")
    return versions


def together(tool: str, python: str) -> dict[str, Any]:
    """Whether the newest version of a tool for that Python fits together with imgdiff."""
    alone, reason = resolved(python, lines=tool)
    if reason:
        return {"version": None, "fits": False, "reason": reason}
    pinned = f"{tool}=={alone[tool]}"
    both, reason = resolved(python, "pyproject.toml", lines=pinned)
    shown = {name: both[name] for name in SHOWN if name in both}
    return {"version": alone[tool], "fits": not reason, "reason": reason, "versions": shown}


def lowest_table(stored: Mapping[str, Any]) -> Iterator[str]:
    yield f"| Python | {' | '.join(LOWEST_SHOWN)} |"
    yield "| --- " * (len(LOWEST_SHOWN) + 1) + "|"
    for python, versions in stored["lowest"].items():
        yield f"| {python} | {' | '.join(versions[name] for name in LOWEST_SHOWN)} |"


def together_table(stored: Mapping[str, Any]) -> Iterator[str]:
    yield f"| tool | version | shares an environment, on Python | {' | '.join(SHOWN)} |"
    yield "| --- " * (len(SHOWN) + 3) + "|"
    for tool, found in stored["together"].items():
        fits = [python for python in PYTHONS if found[python]["fits"]]
        newest = found[(fits or PYTHONS)[-1]]
        versions = newest["versions"] if fits else {}
        cells = [f"`{tool}`", newest["version"] or "", ", ".join(fits) or "no: two environments"]
        cells += [versions.get(name, "") for name in SHOWN]
        yield f"| {' | '.join(cells)} |"


def filled(page: str, stored: Mapping[str, Any]) -> str:
    """The page with the tables and the day of what is stored."""
    for name, table in (("lowest", lowest_table), ("together", together_table)):
        lines = "\n".join(table(stored))
        place = rf"(<!-- table: {name} -->\n)(?:\|[^\n]*(?:\n(?=\|))?)*"
        page = re.sub(place, lambda found, lines=lines: found[1] + lines, page, flags=re.DOTALL)
    return re.sub(r"PyPI on \d{4}-\d\d-\d\d", f"PyPI on {stored['day']}", page)


def write() -> None:
    stored = {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "lowest": {python: lowest(python) for python in PYTHONS},
        "together": {tool: {each: together(tool, each) for each in PYTHONS} for tool in TOOLS},
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), stored))
    print("\n".join((*lowest_table(stored), "", *together_table(stored))))


def try_lowest(folder: Path, tests: Sequence[str]) -> int:
    """Install the lowest versions for this Python, then test; the exit code is pytest's."""
    python = folder / "bin" / "python"
    pins = folder / "lowest.txt"
    setup = uv("venv", str(folder), "--python", sys.executable, "--allow-existing")
    versions = lowest(f"{sys.version_info.major}.{sys.version_info.minor}")
    if not setup.returncode:
        pins.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        wanted = ("-r", str(pins), "-e", f".[{','.join(EXTRAS)}]", *TESTS_NEED)
        setup = uv("pip", "install", "--python", str(python), *wanted)
    if setup.returncode:
        sys.exit(setup.stderr)
    command = [python, "-m", "pytest", "-m", "not slow and not ray", *tests]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": ""}).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--lowest", type=Path, metavar="FOLDER", help="of an environment to make")
    parser.add_argument("tests", nargs="*", help="files; all quick tests unless given")
    given = parser.parse_args()
    if given.lowest is not None:
        return try_lowest(given.lowest, given.tests)
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
