"""What a model said: whether it is an answer at all, and how it is quoted."""

import re

_REFUSAL = re.compile(
    r"^\s*(i('?m| am) (sorry|unable)|sorry\b|i (can't|cannot)|as an ai\b|unfortunately, i\b)",
    re.IGNORECASE,
)
_NOT_PROSE = re.compile(r"https?://|</?\|?[a-z_]+\|?>|\b(USER|ASSISTANT):", re.IGNORECASE)


def is_refusal(answer: str) -> bool:
    """True for an empty answer, an apology, or one that holds a link or chat-template tokens."""
    plain = answer.replace("\u2019", "'")
    return not plain.strip() or bool(_REFUSAL.search(plain) or _NOT_PROSE.search(plain))


def says_yes(answer: str) -> bool | None:
    """Whether an answer begins with yes or no; None if with neither."""
    first = re.match(r"\W*(yes|no)\b", answer, re.IGNORECASE)
    return first[1].lower() == "yes" if first else None


def as_phrase(caption: str) -> str:
    """`A red car.` -> `a red car`, to stand within a sentence; capitals of names and acronyms
    stay."""
    phrase = caption.strip().rstrip(".")
    first, _, rest = phrase.partition(" ")
    return (
        f"{first.lower()} {rest}".strip()
        if first in ("A", "An", "The", "Nothing", "Two", "Some")
        else phrase
    )
