"""Replace one object of a caption by another one of its kind."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import Field

from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.rows import Row

LEXICONS = Path(__file__).parent / "lexicons"


class CaptionEditParams(Params):
    strategy: Literal["lexicon"] = Field(
        "lexicon", description="lexicon: a noun of the same group, no model"
    )
    lexicon: Literal["toyland"] = Field("toyland", description="which list of nouns by group")


@register("caption_edit_mapper")
class CaptionEditMapper(Mapper):
    """Write caption_b: caption_a with one noun replaced by another one of its group (Img-Diff,
    section 11)."""

    Params = CaptionEditParams
    reads = ("caption_a",)
    writes = ("caption_b", "edit")
    roles = ("diffusion",)  # its tokenizer alone

    def setup(self, models: Models) -> None:
        self.prompt_limit = models.prompt_limit()
        self.groups = load_lexicon(self.params.lexicon)

    def process(self, rows: Sequence[Row]) -> None:
        for row in rows:
            tokens, limit = self.prompt_limit(row["caption_a"])
            if tokens > limit:
                message = f"caption has {tokens} tokens, the text encoder reads {limit}"
                row.reject(self.name, "caption_too_long", message)
                continue
            edited = replace_noun(row["caption_a"], self.groups, row.random(self.name))
            if edited is None:
                row.reject(
                    self.name, "no_known_noun", "no noun of the lexicon stands in the caption"
                )
                continue
            row["caption_b"], source, target = edited
            row["edit"] = {"kind": "replace", "source": source, "target": target}


@cache
def load_lexicon(name: str) -> dict[str, list[str]]:
    """Group -> nouns."""
    return yaml.safe_load((LEXICONS / f"{name}.yaml").read_text())


def replace_noun(
    caption: str, groups: dict[str, list[str]], rng: np.random.Generator
) -> tuple[str, str, str] | None:
    """(new caption, old noun, new noun), or None if no noun of the groups stands in the caption.

    The new noun does not stand in the caption already; an article right before it is made to fit.
    """
    group_of = {noun: members for members in groups.values() for noun in members}
    words = list(re.finditer("[a-z]+", caption, re.IGNORECASE))
    present = {word.group().lower() for word in words}
    choices = {
        word: [noun for noun in group_of[word.group().lower()] if noun not in present]
        for word in words
        if word.group().lower() in group_of
    }
    replaceable = [word for word, nouns in choices.items() if nouns]
    if not replaceable:
        return None
    old = replaceable[int(rng.integers(len(replaceable)))]
    new = str(rng.choice(choices[old]))
    before, after = caption[: old.start()], caption[old.end() :]
    article = r"\1n\2" if new[0] in "aeiou" else r"\1\2"
    before = re.sub(r"\b(a)n?(\s+)$", article, before, flags=re.IGNORECASE)
    written = new.capitalize() if old.group()[0].isupper() else new
    return before + written + after, old.group().lower(), new
