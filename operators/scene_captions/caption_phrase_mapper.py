"""Find the things that a caption names."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from imgdiff.data.rows import Row, derive_seed
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName, load_lexicon
from imgdiff.text.phrases import as_records, listed_phrases, noun_phrases
from imgdiff.text.words import Span


class CaptionPhraseParams(Params):
    strategy: Literal["lexicon", "llm"] = Field(
        "lexicon",
        description="lexicon: its nouns with their adjectives, no model; llm: as a language model "
        "lists them",
    )
    lexicon: LexiconName = Field(DEFAULT_LEXICON, description="lexicon: which one")
    prompt: str = Field(
        prompts.PHRASES,
        min_length=1,
        description="llm: the question; {caption} stands for the caption",
    )
    max_new_tokens: int = Field(96, ge=1, le=1024, description="llm: longest answer")


@register("caption_phrase_mapper")
class CaptionPhraseMapper(Mapper):
    """Write phrases: the things that caption_a names, and where in it (EFUF, section 3.2)."""

    stage = "scene_captions"
    Params = CaptionPhraseParams
    reads = ("caption_a",)
    writes = ("phrases",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.strategy == "llm":
            self.roles = ("llm",)

    def setup(self, models: Models) -> None:
        self.llm = models.llm() if "llm" in self.roles else None
        self.lexicon = load_lexicon(self.params.lexicon)

    def process(self, rows: Sequence[Row]) -> None:
        captions = [row["caption_a"] for row in rows]
        found: Sequence[list[Span] | None]
        if self.llm:
            found = self._ask(rows)
        else:
            found = [noun_phrases(caption, self.lexicon) for caption in captions]
        for row, caption, spans in zip(rows, captions, found, strict=True):
            row["phrases"] = as_records(caption, spans or [])
            if spans is None:
                row.reject(self.name, "answer_form", "the answer is no list of phrases")
            elif not spans:
                row.reject(self.name, "no_phrase", "no known object is named in the caption")

    def _ask(self, rows: Sequence[Row]) -> list[list[Span] | None]:
        """What the language model lists, greedily."""
        assert self.llm is not None
        p = self.params
        answers = self.llm.answer(
            [p.prompt.replace("{caption}", row["caption_a"]) for row in rows],
            [derive_seed(row.seed, self.name) % 2**31 for row in rows],  # servers take 32 bits
            p.max_new_tokens,
            0.0,
        )
        return [
            listed_phrases(row["caption_a"], answer)
            for row, answer in zip(rows, answers, strict=True)
        ]
