"""Images with what they are known to show, from the files people have."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgdiff.errors import RefusedError


@dataclass(frozen=True)
class Annotated:
    """image: file name. objects: categories that it shows, each once, in the annotation's order.
    captions: sentences about it, perhaps none."""

    image: str
    objects: tuple[str, ...]
    captions: tuple[str, ...] = ()


def read_annotations(instances: Path, captions: Path | None = None) -> list[Annotated]:
    """COCO's instances and captions (.json), or lines of `{"image", "objects", "captions"}`
    (.jsonl).

    Raises:
        RefusedError: a file that cannot be read as such; the message names it and the key.
    """
    if instances.suffix == ".jsonl":
        return [_annotated(record, place) for record, place in read_lines(instances)]
    content = json_content(instances)
    said = json_content(captions) if captions else {"annotations": []}
    try:
        names = {each["id"]: each["name"] for each in content["categories"]}
        objects: dict[int, dict[str, None]] = {each["id"]: {} for each in content["images"]}
        for each in content["annotations"]:
            objects[each["image_id"]][names[each["category_id"]]] = None
        sentences: dict[int, list[str]] = {}
        for each in said["annotations"]:
            sentences.setdefault(each["image_id"], []).append(each["caption"])
        return [
            Annotated(
                each["file_name"],
                tuple(objects[each["id"]]),
                tuple(sentences.get(each["id"], ())),
            )
            for each in content["images"]
        ]
    except (KeyError, TypeError) as error:
        raise RefusedError(f"{instances} is not in COCO's form: {error} is missing") from None


def json_content(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        RefusedError: it cannot be read, or is none.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise RefusedError(f"{path} is not valid JSON ({error})") from None


def read_lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The records of a .jsonl file, each with its place for messages.

    Raises:
        RefusedError: it cannot be read, or a line is no mapping.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RefusedError(f"{path}: not a text file") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise RefusedError(f"{place}: not valid JSON ({error})") from None
        if not isinstance(record, dict):
            raise RefusedError(f"{place}: expected a mapping")
        yield record, place


def _annotated(record: dict[str, Any], place: str) -> Annotated:
    try:
        return Annotated(
            record["image"],
            tuple(dict.fromkeys(record["objects"])),
            tuple(record.get("captions", ())),
        )
    except (KeyError, TypeError) as error:
        raise RefusedError(f"{place}: expected image, objects, captions ({error})") from None
