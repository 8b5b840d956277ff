"""`docs/hallucination-results.md` from measured figures."""

from pathlib import Path

from embedded.figures import Figure
from embedded.page import short

COMMAND = "python benchmarks/hallucination.py --write docs/hallucination-results.md"
HEAD = f"""# What the embedded MLLM makes up, before and after

Written by `{COMMAND}`: 1,000 rendered scenes of the test split, three seeds, models of several
seeds counted together. A change compares the same images, and the intervals (95 %, bootstrap over
images) are paired. [What the systems are for](hallucination.md).
"""
TABLE = """
## {title}

| figure | | value | 95 % | images | bar |
| --- | --- | --- | --- | --- | --- |
"""


def write_page(target: Path, measured: dict[str, list[Figure]]) -> None:
    """One table for each part that has figures; measured: its title -> its figures."""
    text = HEAD
    for title, figures in measured.items():
        if not figures:
            continue
        text += TABLE.format(title=title) + "".join(map(_line, figures))
    target.write_text(text)


def _line(figure: Figure) -> str:
    interval = f"{short(figure.low)} to {short(figure.high)}" if figure.low != figure.high else ""
    missed = " (missed)" if figure.passes is False else ""
    cells = [f"`{figure.name}`", figure.meaning, short(figure.value), interval, str(figure.cases)]
    return f"| {' | '.join(cells)} | {figure.bar}{missed} |\n"
