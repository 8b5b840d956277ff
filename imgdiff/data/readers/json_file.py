"""One JSON document: captions as COCO publishes them, or a list of mappings."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from imgdiff.data.readers.base import Address, InputError, Reader, Record, kind, sha256_of
from imgdiff.errors import RowError

FORM = "expected COCO's annotations (a list under annotations), or a list of mappings"


class JsonReader(Reader):
    """Rows of COCO's `captions_*.json`, one a caption, with the `file_name` of its image; or those
    of a list of mappings. Positions count rows.

    Raises:
        InputError: it cannot be read, is not valid JSON, or of neither form.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        path = address.place
        assert path is not None  # `open_input` gives a file
        self._path, self.folder = path, path.parent
        try:
            self._entries = _entries(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise InputError(f"{address.name}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{address.name}: {error}") from None
        mappings = (entry for entry in self._entries if isinstance(entry, dict))
        self.columns = tuple(dict.fromkeys(name for entry in mappings for name in entry))

    def sha256(self) -> str:
        return sha256_of(self._path)

    def records(self, position: int | None = None, number: int = 1) -> Iterator[Record]:
        first = position or 0
        for place, entry in enumerate(self._entries[first:], first):
            label = f"row-{place + 1}"
            if isinstance(entry, dict):
                yield Record(place + 1, place, label, entry)
            else:
                problem = RowError("input_row", f"{kind(entry)}, expected a mapping")
                yield Record(place + 1, place, label, {}, problem)


@lru_cache(maxsize=1)
def _entries(path: Path, _changed: int) -> list[Any]:
    """The rows of a file; kept, as every part of an input opens it.

    Raises:
        ValueError: not valid JSON, or of another form.
    """
    try:
        content = json.loads(path.read_bytes())
        json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error})") from None
    if isinstance(content, list):
        return content
    entries = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{_shape(content)}, {FORM}")
    return list(_with_file_names(entries, content.get("images")))


def _shape(content: Any) -> str:
    if not isinstance(content, dict):
        return kind(content)
    return f"a mapping of {', '.join(map(str, content)) or 'nothing'}"


def _with_file_names(entries: list[Any], images: Any) -> Iterator[Any]:
    """Annotations, each with the name of its image's file where the document says it."""
    shown = [each for each in images if isinstance(each, dict)] if isinstance(images, list) else []
    names = {str(each.get("id")): each["file_name"] for each in shown if "file_name" in each}
    for entry in entries:
        name = names.get(str(entry.get("image_id"))) if isinstance(entry, dict) else None
        yield entry if name is None else {"file_name": name} | entry
