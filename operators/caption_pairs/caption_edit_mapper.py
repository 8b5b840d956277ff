"""Replace one object of a caption by another one of its kind."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import BaseModel, Field

from imgdiff import prompts
from imgdiff.answers import is_refusal
from imgdiff.editing.words import swapped_spans
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.rows import Row, derive_seed

LEXICONS = Path(__file__).parent / "lexicons"
MOST_WORDS = 4  # of an object's name
LABEL = re.compile(r"^(new |edited )?caption\s*:", re.IGNORECASE)
EditedCaption = tuple[str, str, str]  # new caption, old words, new words


class CaptionEditParams(Params):
    strategy: Literal["lexicon", "llm"] = Field(
        "lexicon",
        description="lexicon: a noun of the same group, no model; llm: as a language model says",
    )
    lexicon: Literal["toyland"] = Field("toyland", description="which list of nouns by group")
    prompt: str = Field(
        prompts.REPLACE_OBJECT,
        min_length=1,
        description="llm: the question; {caption} stands for the caption",
    )
    temperature: float = Field(0.8, ge=0, le=2, description="llm: of the sampling")
    max_new_tokens: int = Field(96, ge=1, le=1024, description="llm: longest answer")
    tries: int = Field(2, ge=1, le=10, description="llm: answers drawn until one is a caption")


@register("caption_edit_mapper")
class CaptionEditMapper(Mapper):
    """Write caption_b: caption_a with one object replaced by another one of its kind (Img-Diff,
    section 11)."""

    version = "2"
    Params = CaptionEditParams
    reads = ("caption_a",)
    writes = ("caption_b", "edit")
    roles: tuple[str, ...] = ("diffusion",)  # its tokenizer alone

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.strategy == "llm":
            self.roles = ("diffusion", "llm")

    def setup(self, models: Models) -> None:
        self.prompt_limit = models.prompt_limit()
        self.llm = models.llm() if "llm" in self.roles else None
        self.groups = load_lexicon(self.params.lexicon)

    def process(self, rows: Sequence[Row]) -> None:
        todo = [row for row in rows if self._fits(row, row["caption_a"])]
        edits = self._ask(todo) if self.llm else [self._look_up(row) for row in todo]
        for row, edited in zip(todo, edits, strict=True):
            if edited is None:
                self._refuse(row)
            elif self._fits(row, edited[0]):
                row["caption_b"], source, target = edited
                row["edit"] = {"kind": "replace", "source": source, "target": target}

    def _fits(self, row: Row, caption: str) -> bool:
        tokens, limit = self.prompt_limit(caption)
        if tokens > limit:
            message = f"caption has {tokens} tokens, the text encoder reads {limit}"
            row.reject(self.name, "caption_too_long", message)
        return row.ok

    def _look_up(self, row: Row) -> EditedCaption | None:
        return replace_noun(row["caption_a"], self.groups, row.random(self.name))

    def _ask(self, rows: Sequence[Row]) -> list[EditedCaption | None]:
        """One object of each caption replaced by the language model; asked again, with other seeds,
        where the answer is no such caption."""
        assert self.llm is not None
        p = self.params
        found: list[EditedCaption | None] = [None] * len(rows)
        for attempt in range(p.tries):
            places = [place for place, edited in enumerate(found) if edited is None]
            if not places:
                break
            captions = [rows[place]["caption_a"] for place in places]
            seeds = [derive_seed(rows[place].seed, f"{self.name} {attempt}") for place in places]
            # servers take 32 bits
            answers = self.llm.answer(
                [p.prompt.replace("{caption}", caption) for caption in captions],
                [seed % 2**31 for seed in seeds],
                p.max_new_tokens,
                p.temperature,
            )
            for place, caption, answer in zip(places, captions, answers, strict=True):
                found[place] = read_answer(caption, answer)
        return found

    def _refuse(self, row: Row) -> None:
        if self.llm:
            row.reject(
                self.name, "answer_form", "the answer is not the caption with one object replaced"
            )
        else:
            row.reject(self.name, "no_known_noun", "no noun of the lexicon stands in the caption")


def read_answer(caption: str, answer: str) -> EditedCaption | None:
    """The caption in a language model's answer, and which words it replaced.

    None where the answer is anything but one line with one stretch of at most MOST_WORDS words
    replaced: chatter ("Sure, here is"), refusals, several captions, the old one, orders followed.
    """
    if is_refusal(answer):
        return None
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(lines) != 1:
        return None
    edited = LABEL.sub("", lines[0]).strip().strip('"\u201c\u201d').strip()
    spans = swapped_spans(caption, edited)
    if spans is None:
        return None
    source, target = spans[0].of(caption), spans[1].of(edited)
    if max(len(source.split()), len(target.split())) > MOST_WORDS:
        return None
    return edited, source.lower(), target.lower()


@cache
def load_lexicon(name: str) -> dict[str, list[str]]:
    """Group -> nouns."""
    return yaml.safe_load((LEXICONS / f"{name}.yaml").read_text())


def replace_noun(
    caption: str, groups: dict[str, list[str]], rng: np.random.Generator
) -> EditedCaption | None:
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
