"""What a row's captions exchange, by name."""

from imgdiff.data.rows import Row
from imgdiff.text.words import changed_phrases


def exchanged_nouns(row: Row) -> tuple[str, str]:
    """What only A shows and what only B shows, as the row's edit says, else as the words say that
    differ between the captions (Img-Diff, section 3.3); empty where nothing is named."""
    edit = row.values.get("edit")
    if edit is not None:
        return edit["source"], edit["target"]
    return changed_phrases(row["caption_a"], row["caption_b"]) or ("", "")


def refuse_unnamed(row: Row, operator: str) -> None:
    """Reject a row whose captions exchange nothing that has a name."""
    if changed_phrases(row["caption_a"], row["caption_b"]) is None:
        row.reject(operator, "captions_identical", "no word differs between the captions")
    elif not any(exchanged_nouns(row)):
        row.reject(operator, "nothing_named", "the words that differ name no object")
