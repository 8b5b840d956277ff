"""Write captions that fit an image worse than its own does."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from imgdiff.data.rows import Row, derive_seed
from imgdiff.errors import RefusedError
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.caption_answers import read_negative
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName, load_lexicon
from imgdiff.text.negatives import INSERTED, Negative, NegativeTask, by_rules, distinct, plan
from imgdiff.text.objects import (
    PER_FAMILY,
    ObjectStatistics,
    Shown,
    known_objects,
    named_objects,
)

NEEDED = len(INSERTED) * PER_FAMILY  # absent objects


class ObjectNegativesParams(Params):
    strategy: Literal["lexicon", "llm"] = Field(
        "lexicon", description="lexicon: written by rules, no model; llm: by a language model"
    )
    object_source: Literal["annotation", "caption"] = Field(
        "annotation",
        description="annotation: the field objects, of the input or of object_naming_mapper; "
        "caption: what the caption names, where there is nothing better",
    )
    lexicon: LexiconName = Field(
        DEFAULT_LEXICON, description="which names mean the same thing, and how things are written"
    )
    statistics: str | None = Field(
        None,
        min_length=1,
        description="a file of `imgdiff objects`; null: counted over the whole input once, by its "
        "objects or, where a row has none, by what its caption names",
    )
    alterations: int = Field(
        0,
        ge=0,
        le=27,
        description="captions beside the paper's 27, as long as the image's own: one thing becomes "
        "an absent one, or, by turns, it or its colour becomes another of its kind",
    )
    temperature: float = Field(0.8, ge=0, le=2, description="llm: of the sampling")
    max_new_tokens: int = Field(96, ge=1, le=1024, description="llm: longest answer")
    tries: int = Field(2, ge=1, le=10, description="llm: answers drawn until one is as asked")

    @model_validator(mode="after")
    def _written(self) -> "ObjectNegativesParams":
        if self.strategy == "llm" and self.alterations:
            raise ValueError("alterations are written by rules alone: strategy lexicon")
        return self


@register("object_negatives_mapper")
class ObjectNegativesMapper(Mapper):
    """Write negatives: 21 captions that name objects which the image lacks (random, popular,
    adversarial) and 6 in which what it shows is left out or altered (OHD-Caps, arXiv 2410.03176,
    section 3.1).

    No object is in two families, none that may be true of the image is put in, and no caption comes
    twice. Captions that the CLIP cannot read to their end are left out.
    """

    stage = "object_negatives"
    Params = ObjectNegativesParams
    reads: tuple[str, ...] = ("caption_a", "objects")
    writes: tuple[str, ...] = ("negatives",)
    roles: tuple[str, ...] = ("clip",)
    tokenizers = ("clip",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.object_source == "caption":
            self.reads, self.writes = ("caption_a",), ("objects", "negatives")
        if self.params.strategy == "llm":
            self.roles = ("clip", "llm")

    def survey(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The object statistics, as `ObjectStatistics.as_json` gives them.

        Raises:
            RefusedError: the file of `statistics` cannot be read, or the input names no objects.
        """
        if self.params.statistics is not None:
            return ObjectStatistics.read(Path(self.params.statistics)).as_json()
        lexicon = load_lexicon(self.params.lexicon)
        shown = (
            known_objects(row.values.get("objects"), row.values.get("caption_a", ""), lexicon)
            for row in rows
        )
        counted = ObjectStatistics.count(shown, lexicon)
        if not counted.frequency:
            text = "no row of the input has objects, or a caption that names one of the lexicon"
            raise RefusedError(f"{self.name}: {text}. Give statistics: FILE")
        return counted.as_json()

    def setup(self, models: Models) -> None:
        self.caption_limit = models.caption_limit()
        self.llm = models.llm() if "llm" in self.roles else None
        self.lexicon = load_lexicon(self.params.lexicon)
        self.statistics = ObjectStatistics.from_json(self.surveyed)

    def process(self, rows: Sequence[Row]) -> None:
        tasks = {row.id: self._plan(row) for row in rows}
        todo = [row for row in rows if row.ok]
        found = self._ask(todo, tasks) if self.llm else [self._write(r, tasks[r.id]) for r in todo]
        for row, negatives in zip(todo, found, strict=True):
            kept = [n for n in negatives if self._fits(n.caption)]
            row["negatives"] = [n._asdict() | {"objects": list(n.objects)} for n in kept]
            if not kept:
                message = f"none of {len(negatives)} captions written could be used"
                row.reject(self.name, "no_negatives", message)

    def _plan(self, row: Row) -> list[NegativeTask]:
        """What is to be written; the row is rejected where that cannot be all."""
        if self.params.object_source == "caption":
            row["objects"] = named_objects(row["caption_a"], self.lexicon)
        caption, objects = row["caption_a"], row["objects"]
        if not self._fits(caption):
            tokens, limit = self.caption_limit(caption)
            message = f"caption has {tokens} tokens, the CLIP reads {limit}"
            row.reject(self.name, "caption_too_long", message)
        elif not objects:
            row.reject(self.name, "no_objects", "nothing is known that the image shows")
        rng, more = row.random(self.name), self.params.alterations
        tasks = plan(caption, objects, self.statistics, self.lexicon, rng, more)
        absent = {name for task in tasks if task.family in INSERTED for name in task.objects}
        if row.ok and len(absent) < NEEDED:
            message = f"{len(absent)} objects of the statistics are absent, wanted {NEEDED}"
            row.reject(self.name, "too_few_absent_objects", message)
        return tasks

    def _fits(self, caption: str) -> bool:
        tokens, limit = self.caption_limit(caption)
        return tokens <= limit

    def _write(self, row: Row, tasks: Sequence[NegativeTask]) -> list[Negative]:
        rng = row.random(f"{self.name} rules")
        return by_rules(row["caption_a"], tasks, self._shown(row), self.lexicon, rng)

    def _shown(self, row: Row) -> Shown:
        return Shown(row["caption_a"], row["objects"], self.lexicon)

    def _ask(
        self, rows: Sequence[Row], tasks: dict[str, list[NegativeTask]]
    ) -> list[list[Negative]]:
        """Each task put to the language model; again, with other seeds, where the answer is not as
        asked, or is there already."""
        assert self.llm is not None
        p = self.params
        found: dict[str, list[Negative]] = {row.id: [] for row in rows}
        left = [(row, k, task) for row in rows for k, task in enumerate(tasks[row.id])]
        for attempt in range(p.tries):
            if not left:
                break
            questions = [self._question(row, task) for row, _, task in left]
            names = [f"{self.name} {k} {attempt}" for _, k, _ in left]
            seeds = [  # servers take 32 bits
                derive_seed(row.seed, name) % 2**31
                for (row, *_), name in zip(left, names, strict=True)
            ]
            answers = self.llm.answer(questions, seeds, p.max_new_tokens, p.temperature)
            again = []
            for (row, k, task), answer in zip(left, answers, strict=True):
                args = (row["caption_a"], task, self._shown(row), answer, self.lexicon)
                negative, before = read_negative(*args), found[row.id]
                written = before if negative is None else [*before, negative]
                found[row.id] = list(distinct(row["caption_a"], written))
                again += [(row, k, task)] if len(found[row.id]) == len(before) else []
            left = again
        return [found[row.id] for row in rows]

    def _question(self, row: Row, task: NegativeTask) -> str:
        kind = "insert" if task.family in INSERTED else task.family
        prompt = prompts.WRITE_NEGATIVE[kind].replace("{objects}", ", ".join(task.objects))
        return prompt.replace("{caption}", row["caption_a"])
