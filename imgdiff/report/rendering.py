"""From templates to pages that ask for nothing: their style and script inside, known by hash."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imgdiff.console.durations import duration
from imgdiff.export.card import limits
from imgdiff.report.paths import settings_without_paths, without_paths
from imgdiff.report.verdicts import deciding
from imgdiff.text.shortening import shortened

HERE = Path(__file__).parent


def render_page(
    template: str, styles: tuple[str, ...], scripts: tuple[str, ...], **values: Any
) -> bytes:
    """A whole page. `styles` and `scripts` are files of this folder, put into it in that order.

    Its policy lets the browser load `data:` pictures and run these very texts, nothing else: what
    a caption smuggles in is dead even if escaping should fail.
    """
    style, script = (_joined(names) for names in (styles, scripts))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(template)
    return page.render(style=style, script=script, policy=policy, **values).encode()


@cache
def _joined(names: tuple[str, ...]) -> Markup:
    return Markup("".join((HERE / name).read_text("utf-8") for name in names))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache  # with its compiled templates: there are hundreds of pages
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "limits": limits,
        "duration": duration,
        "spoken": reason_words,
        "public": without_paths,
        "public_settings": settings_without_paths,
        "shortened": shortened,
        "deciding": deciding,
    }
    return environment


def reason_words(code: str) -> str:
    """`pair_too_similar` as `pair too similar`."""
    return code.replace("_", " ")
