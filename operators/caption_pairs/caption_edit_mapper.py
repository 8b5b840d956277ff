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


LEAST_PLAUSIBLE = 0.5  # probability of yes
YES_NO_TOKENS = 8


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
    tries: int = Field(2, ge=1, le=10, description="llm, verdict: edits drawn until one is kept")
    verdict: Literal["none", "llm", "mllm"] = Field(
        "none",
        description="which model is asked whether an edit could be the caption of a photo; where "
        "it says no, another edit is drawn",
    )


@register("caption_edit_mapper")
class CaptionEditMapper(Mapper):
    """Write caption_b: caption_a with one object replaced by another one of its kind (Img-Diff,
    section 11), with one attribute changed, or with one object added."""

    stage = "caption_pairs"
    version = "4"
    Params = CaptionEditParams
    reads = ("caption_a",)
    writes = ("caption_b", "edit")
    roles: tuple[str, ...] = ("diffusion",)
    tokenizers = ("diffusion",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        asked = [self.params.strategy, self.params.verdict]
        self.roles = ("diffusion", *(role for role in ("llm", "mllm") if role in asked))

    def setup(self, models: Models) -> None:
        self.prompt_limit = models.prompt_limit()
        self.llm = models.llm() if "llm" in self.roles else None
        self.mllm = models.mllm() if "mllm" in self.roles else None
        self.lexicon = load_lexicon(self.params.lexicon)

    def process(self, rows: Sequence[Row]) -> None:
        left = [row for row in rows if self._fits(row, row["caption_a"])]
        implausible: set[str] = set()
        for attempt in range(self._attempts):
            drawn = list(zip(left, self._drawn(left, attempt), strict=True)) if left else []
            edits = [(row, edit) for row, edit in drawn if edit is not None]
            kept = self._plausible([edit.caption for _, edit in edits])
            for (row, edit), is_plausible in zip(edits, kept, strict=True):
                if is_plausible and self._fits(row, edit.caption):
                    self._write(row, edit)
                elif row.ok:
                    implausible.add(row.id)
            left = [row for row in left if row.ok and "edit" not in row.values]
        for row in left:
            self._refuse(row, row.id in implausible)

    @property
    def _attempts(self) -> int:
        """A lexicon finds what it finds the first time."""
        asked = self.params.strategy == "llm" or self.params.verdict != "none"
        return self.params.tries if asked else 1

    def _write(self, row: Row, edit: CaptionEdit) -> None:
        row["caption_b"] = edit.caption
        row["edit"] = {"kind": self.params.kind, "source": edit.source, "target": edit.target}

    def _fits(self, row: Row, caption: str) -> bool:
        tokens, limit = self.prompt_limit(caption)
        if tokens > limit:
            message = f"caption has {tokens} tokens, the text encoder reads {limit}"
            row.reject(self.name, "caption_too_long", message)
        return row.ok

    def _drawn(self, rows: Sequence[Row], attempt: int) -> list[CaptionEdit | None]:
        """Each caption edited; None where no edit is found, or an answer is no such caption."""
        if self.params.strategy == "llm":
            return self._asked(rows, attempt)
        edit, name = EDITORS[self.params.kind], f"{self.name} {attempt}" if attempt else self.name
        return [edit(row["caption_a"], self.lexicon, row.random(name)) for row in rows]

    def _asked(self, rows: Sequence[Row], attempt: int) -> list[CaptionEdit | None]:
        from imgdiff.text.caption_answers import read_answer

        assert self.llm is not None
        p = self.params
        prompt = p.prompt or prompts.EDIT_CAPTION[p.kind]
        captions = [row["caption_a"] for row in rows]
        answers = self.llm.answer(
            [prompt.replace("{caption}", caption) for caption in captions],
            # servers take 32 bits
            [derive_seed(row.seed, f"{self.name} {attempt}") % 2**31 for row in rows],
            p.max_new_tokens,
            p.temperature,
        )
        pairs = zip(captions, answers, strict=True)
        return [read_answer(p.kind, caption, answer, self.lexicon) for caption, answer in pairs]

    def _plausible(self, captions: Sequence[str]) -> list[bool]:
        """What the model of `verdict` says of each."""
        from imgdiff.models.roles import Question
        from imgdiff.text.answers import read_yes_no

        if self.params.verdict == "none" or not captions:
            return [True] * len(captions)
        asked = [prompts.PLAUSIBLE.replace("{caption}", caption) for caption in captions]
        if self.params.verdict == "mllm":
            assert self.mllm is not None
            chances = self.mllm.yes_probability([Question((), text) for text in asked])
            return [bool(chance >= LEAST_PLAUSIBLE) for chance in chances]  # NaN: neither
        assert self.llm is not None
        answers = self.llm.answer(asked, [0] * len(asked), YES_NO_TOKENS, 0.0)
        return [read_yes_no(answer) is True for answer in answers]

    def _refuse(self, row: Row, implausible: bool) -> None:
        kind = self.params.kind
        if implausible:
            text = f"the {self.params.verdict} says of no edit that it could be a photo's caption"
            row.reject(self.name, "implausible", text)
        elif self.params.strategy == "llm":
            message = f"the answer is not the caption with {WANTED[kind]}"
            row.reject(self.name, "answer_form", message)
        else:
            row.reject(self.name, *NOTHING_FOUND[kind])
