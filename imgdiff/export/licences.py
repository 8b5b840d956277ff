"""The licence of a model, as far as this machine can tell without asking anybody."""

from functools import cache
from pathlib import Path

import yaml

OWN = "apache-2.0"  # of this package, and of the embedded models, trained from nothing for it
UNKNOWN = "unknown: see the model's page"


def licence_of(name: str) -> str:
    """Identifier of the licence of a checkpoint (a folder or a Hub name), with what it asks for in
    plain words if it is not free for every use; or `UNKNOWN`.

    The licence of a folder is the one that the head of its README.md names; names of the Hub are
    looked up in `licences.yaml`.
    """
    licence = identifier_of(name)
    meaning = _known()["meanings"].get(licence)
    return f"{licence} ({meaning})" if meaning else licence


def identifier_of(name: str) -> str:
    """As `licence_of`, without the plain words."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _said_by(folder / "README.md") or UNKNOWN
    return _known()["models"].get(name, UNKNOWN)


def _said_by(card: Path) -> str | None:
    from huggingface_hub import metadata_load

    try:
        head = metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return None
    said = head.get("license_name") or head.get("license")
    return said if isinstance(said, str) else None


@cache
def _known() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_suffix(".yaml").read_text("utf-8")
    known: dict[str, dict[str, str]] = yaml.safe_load(text)
    return known
