"""What `mkdocs build` does beside: the notebook becomes a page, with what its cells showed."""

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK = "python.ipynb"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add `python.md`, made of the notebook."""
    notebook = json.loads((Path(config.docs_dir) / NOTEBOOK).read_text())
    page = "\n\n".join(_markdown(cell) for cell in notebook["cells"])
    files.append(File.generated(config, "python.md", content=page))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to the notebook lead to its page."""
    return markdown.replace(f"({NOTEBOOK})", "(python.md)")


def _markdown(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *map(_shown, cell["outputs"])])


def _shown(output: dict[str, Any]) -> str:
    """HTML where the output has it: it is what imgdiff's own objects show, stored by us."""
    if html := output["data"].get("text/html"):
        return "".join(html)
    return "```\n{}\n```".format("".join(output["data"]["text/plain"]))
