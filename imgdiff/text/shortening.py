"""Text as pages and cards show it: whole where a person may read it all, else its beginning."""

SHOWN = 2000  # characters of one text


def cut(text: str, most: int = SHOWN) -> tuple[str, str]:
    """What is shown of a text, and what is said of the rest; the latter is empty if all is
    shown."""
    if len(text) <= most:
        return text, ""
    return text[:most].rstrip(), f"… ({len(text) - most:,} more characters)"


def shortened(text: str, most: int = SHOWN) -> str:
    """The text; of one longer than `most` characters the beginning, and how much is left out."""
    return " ".join(filter(None, cut(text, most)))
