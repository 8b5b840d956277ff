"""What every export must hold, checked on what was written, read back as its trainer reads it."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from PIL import Image, UnidentifiedImageError

from imgdiff.data.boxes import Box
from imgdiff.data.conversations import IMAGE
from imgdiff.errors import RefusedError

MEDIA = re.compile(r"<(?:image|video|audio|bbox|ref-object)>")
ROLES = ("user", "assistant")


class ExportError(RefusedError):
    """An export breaks a rule; nothing of it was left in place."""


@dataclass(frozen=True)
class Example:
    """A sample as its trainer reads it.

    turns: (user or assistant, text with its media tokens); None where a recipe writes none.
    pictures: encoded; None where a file is missing. boxes: (number of the picture, xyxy in its
    pixels). box_token: what stands for a box in the text.
    """

    id: str
    turns: list[tuple[str, str]] | None
    pictures: Sequence[bytes | None]
    boxes: list[tuple[int, Box]] = field(default_factory=list)
    box_token: str | None = None


def validate(example: Example, name: str) -> None:
    """Check the rules of an example. name: of the format.

    Raises:
        ExportError: names the sample and the rule it breaks.
    """
    if fault := next(faults(example), None):
        raise ExportError(f"{name}: sample {example.id}: {fault}")


def faults(example: Example) -> Iterator[str]:
    """Every rule that the example breaks, in words."""
    if example.turns is not None:
        yield from turn_faults(example.turns)
        expected = [(IMAGE, len(example.pictures), "pictures")]
        if example.box_token:
            expected.append((example.box_token, len(example.boxes), "boxes"))
        yield from token_faults(example.turns, expected)
    sizes = [_size(content) for content in example.pictures]
    for number, content in enumerate(example.pictures):
        if content is None:
            yield f"the file of picture {number} is missing"
        elif sizes[number] is None:
            yield f"picture {number} does not open"
    if len(set(sizes)) > 1:
        yield f"pictures differ in size: {' and '.join(map(str, sizes))}"
    for number, box in example.boxes:
        if not 0 <= number < len(sizes):
            yield f"a box lies in picture {number} of {len(sizes)}"
        elif (size := sizes[number]) and not _inside(box, *size):
            yield f"box {box} is not inside picture {number} of {size[0]} x {size[1]} pixels"


def turn_faults(turns: list[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with turns (user or assistant, text), in words."""
    roles = [role for role, _ in turns]
    if not roles or roles != list(ROLES) * (len(roles) // 2):
        yield f"turns are {', '.join(roles) or 'missing'}, expected user and assistant in turn"
    if any(not text.strip() for _, text in turns):
        yield "a turn is empty"


def token_faults(
    turns: list[tuple[str, str]], expected: list[tuple[str, int, str]]
) -> Iterator[str]:
    """What is wrong with the media tokens of turns, in words. expected: (token, how often, what it
    stands for)."""
    asked = [token for role, text in turns if role == "user" for token in MEDIA.findall(text)]
    said = [token for role, text in turns if role != "user" for token in MEDIA.findall(text)]
    if said:
        yield f"{said[0]} in an answer"
    for token, count, things in expected:
        if asked.count(token) != count:
            yield f"{asked.count(token)} {token} for {count} {things}"
    if strange := set(asked) - {token for token, *_ in expected}:
        yield f"{min(strange)} stands for nothing"


def _size(content: bytes | None) -> tuple[int, int] | None:
    """Width and height of a picture whose checksums are right."""
    try:
        with Image.open(io.BytesIO(content or b"")) as picture:
            picture.verify()
            return picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def _inside(box_xyxy: Box, wide: int, high: int) -> bool:
    left, top, right, bottom = box_xyxy
    return 0 <= left < right <= wide and 0 <= top < bottom <= high
