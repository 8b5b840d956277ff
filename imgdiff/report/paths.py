"""What a page may show to everybody: nothing that tells where files lie on this machine."""

import re
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

# a path that begins at a root, a home or a drive, its last part apart from the rest; not an address
ROOTED = re.compile(
    r"""(?<![\w.:/\\~-])(?:file://)?(?:~?/|[A-Za-z]:[/\\])(?:[^\s'"/\\,;:()]+[/\\]+)+(?P<last>[^\s'"/\\,;:()]*)"""
)


def without_paths(text: str) -> str:
    """A text in which of each absolute path only the last part is left."""
    for folder in (Path.cwd(), Path.home()):
        if folder != Path(folder.anchor):  # whose names may hold spaces
            text = text.replace(f"{folder}/", "")
    return ROOTED.sub(lambda found: found["last"], text)


def settings_without_paths(value: Any) -> Any:
    """Settings of a recipe, at any depth, in which of each absolute path only the last part is
    left."""
    if isinstance(value, dict):
        return {name: settings_without_paths(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [settings_without_paths(each) for each in value]
    return _last(value) if isinstance(value, str) else value


def _last(text: str) -> str:
    for path in (PurePath(text.removeprefix("file://")), PureWindowsPath(text)):
        if path.is_absolute() or text.startswith("~/"):
            return path.name
    return text
