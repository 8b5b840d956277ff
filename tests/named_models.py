"""The models of the Hub that recipes and pages of this project name."""

import re
from pathlib import Path

import yaml

from imgdiff.export import licences

ROOT = Path(__file__).parents[1]
NAME = r"[\w-]+/[\w.-]*\w"
LISTED = yaml.safe_load(Path(licences.__file__).with_suffix(".yaml").read_text("utf-8"))
OWNERS = {name.partition("/")[0] for name in LISTED["models"]}
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# how a binding, a server or a command names one, in a comment or in the code of a page
BOUND = re.compile(rf"(?:\b(?:name|model|unet|lora|--model)[:=]? |\bmodels\.\w+=)({NAME})\b")
PLACEHOLDERS = {"owner/model", "owner/name", "a/b"}


def bindings(settings) -> list[dict]:
    """What the models: or model: of a recipe bind, with their settings."""
    given = settings.get("models")
    found = [*given.values()] if isinstance(given, dict) else []
    found += [settings["model"]] if "model" in settings else []
    return [each if isinstance(each, dict) else {"name": each} for each in found]


def in_settings(settings) -> set[str]:
    """The Hub names among them."""
    names = {each.get("name", "") for each in bindings(settings)}
    return {name for name in names if re.fullmatch(NAME, name) and not (ROOT / name).exists()}


def in_text(text: str) -> set[str]:
    """Those that are bound in a text, and all of owners of listed models; in links to GitHub these
    own repositories."""
    text = re.sub(r"https?://\S+", "", text)
    owned = {name for name in re.findall(NAME, text) if name.partition("/")[0] in OWNERS}
    bound = {name for name in BOUND.findall(text) if not _is_path(name)}
    return (owned | bound) - PLACEHOLDERS


def _is_path(name: str) -> bool:
    return (ROOT / name.partition("/")[0]).exists() or name.startswith("outputs/")


def named() -> set[str]:
    """All of them."""
    texts = [path.read_text("utf-8") for path in (*PAGES, *RECIPES)]
    settings = [yaml.safe_load(path.read_text("utf-8")) for path in RECIPES]
    return set().union(*map(in_text, texts), *map(in_settings, settings))
