"""Change one thing in a caption: another object, another look, or one object more."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from imgdiff.data.rows import Row, derive_seed
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.caption_edits import EDITORS, CaptionEdit
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName, load_lexicon

# kind -> reason code and message where the lexicon finds nothing, and what an answer should be
NOTHING_FOUND = {
    "replace": ("no_known_noun", "no noun of the lexicon stands in the caption"),
    "attribute": (
        "no_attribute",
        "no noun of the lexicon that takes an attribute is in the caption",
    ),
    "add": ("no_place", "no noun of the lexicon is where something can be put next to it"),
}
WANTED = {
    "replace": "one object replaced",
    "attribute": "one attribute of the lexicon changed",
    "add": "one object added",
}


class CaptionEditParams(Params):
    kind: Literal["replace", "attribute", "add"] = Field(
        "replace",
        description="replace: one object becomes another; attribute: its colour, material, pattern "
        "or size changes; add: one object more",
    )
    strategy: Literal["lexicon", "llm"] = Field(
        "lexicon",
        description="lexicon: a word of the same group, no model; llm: as a language model says",
    )
    lexicon: LexiconName = Field(
        DEFAULT_LEXICON,
        description="nouns by group and attributes by kind; llm: attributes that it may name",
    )
    prompt: str | None = Field(
        None,
        min_length=1,
        description="llm: the question; {caption} stands for the caption; null: the kind's own",
    )
    temperature: float = Field(0.8, ge=0, le=2, description="llm: of the sampling")
    max_new_tokens: int = Field(96, ge=1, le=1024, description="llm: longest answer")
    tries: int = Field(2, ge=1, le=10, description="llm: answers drawn until one is a caption")


@register("caption_edit_mapper")
class CaptionEditMapper(Mapper):
    """Write caption_b: caption_a with one object replaced by another one of its kind (Img-Diff,
    section 11), with one attribute changed, or with one object added."""

    stage = "caption_pairs"
    version = "3"
    Params = CaptionEditParams
    reads = ("caption_a",)
    writes = ("caption_b", "edit")
    roles: tuple[str, ...] = ("diffusion",)
    tokenizers = ("diffusion",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.strategy == "llm":
            self.roles = ("diffusion", "llm")

    def setup(self, models: Models) -> None:
        self.prompt_limit = models.prompt_limit()
        self.llm = models.llm() if "llm" in self.roles else None
        self.lexicon = load_lexicon(self.params.lexicon)

    def process(self, rows: Sequence[Row]) -> None:
        todo = [row for row in rows if self._fits(row, row["caption_a"])]
        edits = self._ask(todo) if self.llm else [self._look_up(row) for row in todo]
        for row, edit in zip(todo, edits, strict=True):
            if edit is None:
                self._refuse(row)
            elif self._fits(row, edit.caption):
                row["caption_b"] = edit.caption
                row["edit"] = {
                    "kind": self.params.kind,
                    "source": edit.source,
                    "target": edit.target,
                }

    def _fits(self, row: Row, caption: str) -> bool:
        tokens, limit = self.prompt_limit(caption)
        if tokens > limit:
            message = f"caption has {tokens} tokens, the text encoder reads {limit}"
            row.reject(self.name, "caption_too_long", message)
        return row.ok

    def _look_up(self, row: Row) -> CaptionEdit | None:
        return EDITORS[self.params.kind](row["caption_a"], self.lexicon, row.random(self.name))

    def _ask(self, rows: Sequence[Row]) -> list[CaptionEdit | None]:
        """Each caption edited by the language model; asked again, with other seeds, where the
        answer is no such caption."""
        from imgdiff.text.caption_answers import read_answer

        assert self.llm is not None
        p = self.params
        prompt = p.prompt or prompts.EDIT_CAPTION[p.kind]
        found: list[CaptionEdit | None] = [None] * len(rows)
        for attempt in range(p.tries):
            places = [place for place, edit in enumerate(found) if edit is None]
            if not places:
                break
            captions = [rows[place]["caption_a"] for place in places]
            seeds = [derive_seed(rows[place].seed, f"{self.name} {attempt}") for place in places]
            # servers take 32 bits
            answers = self.llm.answer(
                [prompt.replace("{caption}", caption) for caption in captions],
                [seed % 2**31 for seed in seeds],
                p.max_new_tokens,
                p.temperature,
            )
            for place, caption, answer in zip(places, captions, answers, strict=True):
                found[place] = read_answer(p.kind, caption, answer, self.lexicon)
        return found

    def _refuse(self, row: Row) -> None:
        kind = self.params.kind
        if self.llm:
            message = f"the answer is not the caption with {WANTED[kind]}"
            row.reject(self.name, "answer_form", message)
        else:
            row.reject(self.name, *NOTHING_FOUND[kind])
